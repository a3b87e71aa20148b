//! The accounts file: one account a line, «account, password, display name».
//!
//! Knows text alone. Refuses to know where the file is and what becomes of the accounts.

use secrecy::SecretString;

use crate::msn::ids::Email;
use crate::service::ServiceError;

/// One line of the accounts file.
#[derive(Debug, Clone)]
pub struct AccountLine {
    /// An address, `name@host`, in the case in which it is shown.
    pub email: Email,
    /// Never empty, and without commas; only its first 16 characters count.
    pub password: SecretString,
    /// Never empty; the address where the line names none.
    pub name: String,
}

/// Reads «account, password, display name», one account a line; empty lines and lines that start with `#` are skipped.
///
/// # Errors
/// [`ServiceError::Accounts`] with the number of the first line that is none.
pub fn parse_accounts(text: &str) -> Result<Vec<AccountLine>, ServiceError> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(line, text)| parse_account(text).map_err(|reason| ServiceError::Accounts { line, reason }))
        .collect()
}

fn parse_account(line: &str) -> Result<AccountLine, String> {
    let mut fields = line.splitn(3, ',').map(str::trim);
    let email = Email::parse(fields.next().unwrap_or_default()).map_err(|e| e.to_string())?;
    if !email.is_address() {
        return Err(format!("{email} is not an address"));
    }
    let password = fields.next().filter(|p| !p.is_empty()).ok_or("the password is missing")?;
    let name = fields.next().filter(|n| !n.is_empty()).unwrap_or(email.as_str()).to_owned();
    Ok(AccountLine { email, password: SecretString::from(password.to_owned()), name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_line_by_line_and_errors_name_the_line() {
        let read = parse_accounts(
            "# people\n\nalice@example.com, se,cret, x\nbob@example.com,pw,Bob, the builder\n",
        );
        let read = read.unwrap();
        assert_eq!(read[0].name, "cret, x");
        assert_eq!(read[1].name, "Bob, the builder");
        let error = parse_accounts("alice@example.com,pw\nnobody").unwrap_err();
        assert!(error.to_string().starts_with("line 2 "), "{error}");
    }
}
