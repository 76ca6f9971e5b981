-- SPDX-FileCopyrightText: 2026 The rathaus authors
-- SPDX-License-Identifier: EUPL-1.2

CREATE TABLE transactions (
    id text PRIMARY KEY,
    originator_id text NOT NULL,
    end_point_id text NOT NULL,
    request_id text NOT NULL,
    -- The checked request as it is echoed; text, since jsonb would reorder it.
    request text NOT NULL,
    status text NOT NULL CHECK (status IN ('INITIAL', 'PAYED', 'FAILED', 'CANCELED')),
    created_at timestamptz NOT NULL DEFAULT now(),
    decided_at timestamptz,
    CHECK ((status = 'INITIAL') = (decided_at IS NULL)),
    UNIQUE (originator_id, end_point_id, request_id)
);

-- What happened, in order; nothing is ever changed in it.
CREATE TABLE events (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction_id text NOT NULL REFERENCES transactions,
    status text NOT NULL,
    -- False for a decision that came after another one.
    effective boolean NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX events_by_transaction ON events (transaction_id, number);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'events are append-only'; END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
