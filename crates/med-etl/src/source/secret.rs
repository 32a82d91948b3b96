//! A database URL that is never shown.

use std::fmt;

use crate::EtlError;

/// A URL of a database server. What is shown of it is scheme, host, port and database: no user, password or parameter.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ServerUrl {
    whole: String,
    shown: String,
    /// Pieces that no message may hold.
    secrets: Vec<String>,
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerUrl").field(&self.shown).finish()
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl ServerUrl {
    /// Takes `scheme://[user[:password]@]host[:port]/database[?parameters]` apart.
    pub(crate) fn parse(scheme: &str, rest: &str) -> Result<Self, EtlError> {
        let (address, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = address.split_once('/').unwrap_or((address, ""));
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        // The driver would take such a password for a host or a port, and write it into its message.
        if user.contains('@') || path.contains('@') || parameters.contains('@') || rest.contains('#') {
            return Err(EtlError::Url {
                reason: "has an @ or # in user, password or parameter; write it as %40 or %23",
            });
        }
        if path.is_empty() {
            return Err(EtlError::Url { reason: "names no database" });
        }
        let password = user.split_once(':').map_or("", |(_, password)| password);
        let mut secrets = vec![password.to_owned()];
        for parameter in parameters.split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if name.to_ascii_lowercase().contains("pass") {
                secrets.push(value.to_owned());
            }
        }
        secrets.extend(secrets.clone().iter().map(|secret| percent_decoded(secret)));
        secrets.retain(|secret| !secret.is_empty());
        let shown = format!("{scheme}://{host}/{path}");
        Ok(Self { whole: format!("{scheme}://{rest}"), shown, secrets })
    }

    /// The URL for the driver.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(crate) fn expose(&self) -> &str {
        &self.whole
    }

    /// Scheme, host, port and database, the same however the URL writes them.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(crate) fn address(&self, port: &str) -> String {
        let (scheme, rest) = self.shown.split_once("://").unwrap_or_default();
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, written) = match authority.rsplit_once(':') {
            // Within brackets it is part of an address.
            Some((host, port)) if !port.contains(']') => (host, Some(port.to_owned())),
            _ => (authority, None),
        };
        let host = [self.parameter("hostaddr"), self.parameter("host")]
            .into_iter()
            .flatten()
            .next()
            .unwrap_or_else(|| host.to_owned());
        let port = self.parameter("port").or(written).filter(|p| !p.is_empty()).unwrap_or_else(|| port.to_owned());
        format!("{scheme}://{}:{port}/{}", percent_decoded(&host).to_lowercase(), percent_decoded(path))
    }

    /// The value of the parameter of this name, which the scheme's driver tells from others by case.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let (_, parameters) = self.whole.split_once('?')?;
        let value = parameters.split('&').filter_map(|p| p.split_once('=')).rfind(|(n, _)| *n == name)?.1;
        Some(percent_decoded(value))
    }

    /// A driver's message, if it does not hold what must not be shown.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(crate) fn refused(&self, error: &diesel::ConnectionError) -> EtlError {
        let message = error.to_string();
        let message = if self.secrets.iter().any(|secret| message.contains(secret)) {
            "the driver's message repeats the password and is withheld".to_owned()
        } else {
            message.trim_end().to_owned()
        };
        EtlError::Connect { database: self.shown.clone(), source: message.into() }
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|_| first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_shown() {
        let url = ServerUrl::parse("postgres", "scott:ti%67er@db:5432/med?sslmode=require&password=lion").unwrap();
        assert_eq!(url.to_string(), "postgres://db:5432/med");
        assert_eq!(format!("{url:?}"), "ServerUrl(\"postgres://db:5432/med\")");
        assert_eq!(url.secrets, ["ti%67er", "lion", "tiger", "lion"]);
    }

    #[cfg(any(feature = "postgres", feature = "mysql"))]
    #[test]
    fn an_address_is_the_same_however_it_is_written() {
        for rest in ["u:p@DB/med", "db:5432/med?sslmode=require", "db:/m%65d", "/med?host=db&port=5432"] {
            assert_eq!(ServerUrl::parse("postgres", rest).unwrap().address("5432"), "postgres://db:5432/med", "{rest}");
        }
        assert_eq!(ServerUrl::parse("mysql", "[::1]/d").unwrap().address("3306"), "mysql://[::1]:3306/d");
    }

    #[test]
    fn what_the_driver_would_misread_is_refused() {
        for rest in ["u:p@ss@h/db", "u:pa/s@h/db", "u:p#s@h/db", "h/db?password=a@b", "u:p@h", "u:p@h/"] {
            let error = ServerUrl::parse("mysql", rest).unwrap_err();
            assert!(matches!(error, EtlError::Url { .. }), "{rest}: {error}");
        }
    }
}
