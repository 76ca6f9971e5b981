-- SPDX-FileCopyrightText: 2026 The rathaus authors
-- SPDX-License-Identifier: EUPL-1.2

-- Every column has a default: pods of the version before go on inserting during an update.
ALTER TABLE transactions
    -- The client that asked, by its name.
    ADD COLUMN client text,
    -- One truth: the amount is what the request says.
    ADD COLUMN amount numeric(12, 2) GENERATED ALWAYS AS ((request::json ->> 'grosAmount')::numeric) STORED,
    -- The provider's own id of the payment and the page where one pays; null where it is our page, or
    -- where the provider has not been reached yet.
    ADD COLUMN provider_reference text,
    ADD COLUMN provider_url text,
    -- When the provider is to be asked next, and how often it was.
    ADD COLUMN look_at timestamptz,
    ADD COLUMN looks integer NOT NULL DEFAULT 0,
    ADD COLUMN payment_method text,
    ADD COLUMN payment_method_detail text,
    ADD COLUMN status_detail text,
    -- Kassenzeichen; given with the payment, so that numbers have no gaps.
    ADD COLUMN receipt_number text UNIQUE,
    -- When who paid was forgotten.
    ADD COLUMN erased_at timestamptz;

CREATE INDEX transactions_open ON transactions (look_at, created_at) WHERE status = 'INITIAL';
CREATE INDEX transactions_decided ON transactions (status, decided_at) WHERE status <> 'INITIAL';
CREATE INDEX transactions_to_erase ON transactions (created_at) WHERE erased_at IS NULL;

-- Idempotency-Key of a client, and the transaction that it made.
CREATE TABLE idempotency_keys (
    client text NOT NULL,
    key text NOT NULL,
    transaction_id text NOT NULL REFERENCES transactions,
    PRIMARY KEY (client, key)
);
CREATE INDEX idempotency_keys_by_transaction ON idempotency_keys (transaction_id);

-- The last running number of each range; the row is locked from the number to the payment's commit.
CREATE TABLE receipt_ranges (
    end_point_id text NOT NULL,
    prefix text NOT NULL,
    last bigint NOT NULL,
    PRIMARY KEY (end_point_id, prefix)
);

ALTER TABLE events
    -- Who said so: client, page, provider. Not in which words: those may name the payer, and stay for ever.
    ADD COLUMN source text,
    -- What a payment put into the books.
    ADD COLUMN amount numeric(12, 2),
    ADD COLUMN receipt_number text;
CREATE INDEX events_payed ON events (at) WHERE effective AND status = 'PAYED';

-- What the treasury confirmed as booked.
CREATE TABLE bookings (
    receipt_number text PRIMARY KEY REFERENCES transactions (receipt_number),
    booked_on date NOT NULL,
    amount numeric(12, 2) NOT NULL,
    imported_by text NOT NULL,
    imported_at timestamptz NOT NULL DEFAULT now()
);
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% are append-only', TG_TABLE_NAME; END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON bookings
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
