// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Locks or drops what a deleted module leaves on the server.

use sqlx::postgres::PgConnection;

use super::error::Result;
use super::mark::Mark;
use super::role::{read_database_owner, read_role};
use super::sql::{execute, quote_identifier};

/// What is done on the server for a deleted module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    /// Nothing there is the module's.
    Nothing,
    /// The role can no longer log in; the data stays.
    LockRole,
    /// Database and role go.
    DropDatabaseAndRole,
}

impl Removal {
    /// Reads the role and the database `name`, and decides what is done about them.
    pub async fn read(
        connection: &mut PgConnection,
        name: &str,
        mark: &Mark<'_>,
        drop_data: bool,
    ) -> Result<Self> {
        let comment = read_role(connection, name).await?.map(|role| role.comment);
        let database_owner = read_database_owner(connection, name).await?;
        Ok(decide(name, mark, comment.as_deref(), database_owner.as_deref(), drop_data))
    }

    /// Carries the decision out. [`Removal::DropDatabaseAndRole`] uses the connection as the module's role, and
    /// if it fails, leaves it so.
    pub async fn carry_out(self, connection: &mut PgConnection, name: &str) -> Result<()> {
        match self {
            Self::Nothing => Ok(()),
            Self::LockRole => lock_role(connection, name).await,
            Self::DropDatabaseAndRole => drop_database_and_role(connection, name).await,
        }
    }
}

/// Decides what is done about the role and the database `name` of a deleted module, from the comment on the
/// role and the owner of the database, each `None` if there is no such role or database. A role of ours may
/// stand beside a database that is not: the module was refused as `DatabaseForeign` after its role was made.
fn decide(
    name: &str,
    mark: &Mark<'_>,
    role_comment: Option<&str>,
    database_owner: Option<&str>,
    drop_data: bool,
) -> Removal {
    let database_is_foreign = database_owner.is_some_and(|database_owner| database_owner != name);
    match role_comment {
        Some(comment) if !mark.is_on(comment) => Removal::Nothing,
        None => Removal::Nothing,
        Some(_) if drop_data && !database_is_foreign => Removal::DropDatabaseAndRole,
        Some(_) => Removal::LockRole,
    }
}

async fn lock_role(connection: &mut PgConnection, name: &str) -> Result<()> {
    execute(connection, format!("ALTER ROLE {} NOLOGIN PASSWORD NULL", quote_identifier(name))).await
}

/// Drops a module's database as the module's role, so that the server itself refuses it for a database that
/// was given to another owner since the owner was read.
async fn drop_database_and_role(connection: &mut PgConnection, name: &str) -> Result<()> {
    let quoted = quote_identifier(name);
    execute(connection, format!("SET ROLE {quoted}")).await?;
    execute(connection, format!("DROP DATABASE IF EXISTS {quoted} WITH (FORCE)")).await?;
    execute(connection, "RESET ROLE".to_owned()).await?;
    execute(connection, format!("DROP ROLE IF EXISTS {quoted}")).await
}

#[cfg(test)]
mod tests {
    use super::super::mark::owner_comment;
    use super::*;

    #[test]
    fn only_a_database_with_our_comment_and_our_role_as_its_owner_is_dropped() {
        use Removal::{DropDatabaseAndRole, LockRole, Nothing};
        let (name, owner) = ("ahaus_e-payment", owner_comment("055540004004", "e-payment"));
        let mark = Mark { owner: &owner, installation: "0123456789abcdef" };
        let ours = mark.comment();
        let other_town = owner_comment("055540008008", "e-payment");
        let other_installation = Mark { owner: &owner, installation: "fedcba9876543210" }.comment();
        for (comment, database_owner, under_delete, under_retain) in [
            (Some(ours.as_str()), Some(name), DropDatabaseAndRole, LockRole),
            (Some(owner.as_str()), Some(name), DropDatabaseAndRole, LockRole),
            (Some(ours.as_str()), None, DropDatabaseAndRole, LockRole),
            (Some(ours.as_str()), Some("postgres"), LockRole, LockRole),
            (Some(other_town.as_str()), Some(name), Nothing, Nothing),
            (Some(other_installation.as_str()), Some(name), Nothing, Nothing),
            (Some(""), Some(name), Nothing, Nothing),
            (None, Some("postgres"), Nothing, Nothing),
            (None, None, Nothing, Nothing),
        ] {
            let decide = |drop_data| decide(name, &mark, comment, database_owner, drop_data);
            assert_eq!(decide(true), under_delete, "{comment:?} {database_owner:?} under Delete");
            assert_eq!(decide(false), under_retain, "{comment:?} {database_owner:?} under Retain");
        }
    }
}
