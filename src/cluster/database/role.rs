// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! A module's role and database: reads what there is, and completes or corrects it.

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row};

use super::error::{Error, Result};
use super::mark::Mark;
use super::sql::{execute, quote_identifier, quote_literal};

/// Number of connections that each pod may hold, as docs/module-contract.md says.
const CONNECTIONS_OF_A_POD: i32 = 5;
/// Number of connections beside those of the pods that serve: two pods may migrate at a time.
const CONNECTIONS_FOR_MIGRATION: i32 = 2;
/// All modules share the connections of one server.
const MOST_CONNECTIONS: i32 = 50;

/// The number of connections that a module's role may hold at a time, over all its pods. During a roll-out,
/// there is one pod more than the plan has replicas.
pub(super) fn connection_limit(replicas: i32) -> i32 {
    let of_pods = replicas.saturating_add(1).saturating_mul(CONNECTIONS_OF_A_POD);
    // Below zero, PostgreSQL has no limit.
    of_pods.saturating_add(CONNECTIONS_FOR_MIGRATION).clamp(CONNECTIONS_FOR_MIGRATION, MOST_CONNECTIONS)
}

/// What a role is on the server.
pub(super) struct Role {
    /// The comment on it; empty if it has none.
    pub comment: String,
    connection_limit: i32,
}

/// Reads a role: `None` if there is none of that name.
pub(super) async fn read_role(connection: &mut PgConnection, name: &str) -> Result<Option<Role>> {
    let query = "SELECT coalesce(shobj_description(oid, 'pg_authid'), ''), rolconnlimit \
                 FROM pg_roles WHERE rolname = $1";
    let Some(row) = sqlx::query(query).bind(name).fetch_optional(connection).await? else { return Ok(None) };
    Ok(Some(Role { comment: row.try_get(0)?, connection_limit: row.try_get(1)? }))
}

/// Reads the name of the role that owns a database: `None` if there is no such database.
pub(super) async fn read_database_owner(connection: &mut PgConnection, name: &str) -> Result<Option<String>> {
    let row = sqlx::query("SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = $1")
        .bind(name)
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Creates the role unless it exists, and corrects its comment and connection limit. Returns whether it was
/// created; then it has no password yet.
pub(super) async fn ensure_role(
    connection: &mut PgConnection,
    name: &str,
    mark: &Mark<'_>,
    connection_limit: i32,
) -> Result<bool> {
    let role = quote_identifier(name);
    let comment = mark.comment();
    let set_comment = format!("COMMENT ON ROLE {role} IS {}", quote_literal(&comment));
    let Some(found) = read_role(connection, name).await? else {
        let mut transaction = connection.begin().await?;
        for sql in [
            // Nobody can log in yet: the role has no password.
            format!(
                "CREATE ROLE {role} LOGIN CONNECTION LIMIT {connection_limit} NOSUPERUSER NOCREATEDB NOCREATEROLE"
            ),
            set_comment,
            // Without being a superuser, the administrator must be a member of the role to create and drop
            // the role's database.
            format!("GRANT {role} TO CURRENT_USER"),
        ] {
            execute(&mut transaction, sql).await?;
        }
        transaction.commit().await?;
        return Ok(true);
    };
    if !mark.is_on(&found.comment) {
        return Err(Error::Foreign(name.to_owned()));
    }
    if found.comment != comment {
        tracing::info!(role = name, comment, "the database role now belongs to this installation");
        execute(connection, set_comment).await?;
    }
    if found.connection_limit != connection_limit {
        execute(connection, format!("ALTER ROLE {role} CONNECTION LIMIT {connection_limit}")).await?;
    }
    Ok(false)
}

/// Creates the database unless it exists, and closes it to everybody but the role of the same name.
pub(super) async fn ensure_database(connection: &mut PgConnection, name: &str) -> Result<()> {
    let query = "SELECT pg_get_userbyid(datdba)::text, has_database_privilege('public', oid, 'CONNECT') \
                 OR has_database_privilege('public', oid, 'TEMP') FROM pg_database WHERE datname = $1";
    let row = sqlx::query(query).bind(name).fetch_optional(&mut *connection).await?;
    let is_public = match row {
        Some(row) if row.try_get::<String, _>(0)? != name => return Err(Error::Foreign(name.to_owned())),
        Some(row) => row.try_get(1)?,
        None => {
            let sql = format!(
                "CREATE DATABASE {0} OWNER {0} TEMPLATE template0 ENCODING 'UTF8'",
                quote_identifier(name)
            );
            execute(connection, sql).await?;
            true
        }
    };
    if is_public {
        execute(connection, format!("REVOKE ALL ON DATABASE {} FROM PUBLIC", quote_identifier(name))).await?;
    }
    Ok(())
}

/// Fails with [`Error::NotConfined`] if the role can connect to a database other than its own. Databases of
/// other modules are exempt, since the operator revokes PUBLIC's access to each of them. Those of the server
/// itself, such as `postgres`, must be closed once by state IT.
pub(super) async fn check_role_is_confined(connection: &mut PgConnection, role: &str) -> Result<()> {
    let query = "SELECT coalesce(string_agg(quote_ident(datname), ', ' ORDER BY datname), '') FROM pg_database \
                 WHERE datallowconn AND datname <> $1 AND has_database_privilege($1, oid, 'CONNECT') \
                 AND coalesce(shobj_description(datdba, 'pg_authid'), '') NOT LIKE 'rathaus: municipality %'";
    let databases: String = sqlx::query(query).bind(role).fetch_one(connection).await?.try_get(0)?;
    if databases.is_empty() {
        return Ok(());
    }
    Err(Error::NotConfined { role: role.to_owned(), databases })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_has_connections_for_its_pods_a_surge_and_migrations() {
        assert_eq!(connection_limit(1), 12);
        assert_eq!(connection_limit(2), 17);
        assert_eq!(connection_limit(3), 22);
    }

    #[test]
    fn no_role_has_more_connections_than_the_bound() {
        for replicas in [10, 1_000, i32::MAX] {
            assert_eq!(connection_limit(replicas), MOST_CONNECTIONS);
        }
        assert_eq!(connection_limit(i32::MIN), CONNECTIONS_FOR_MIGRATION);
    }
}
