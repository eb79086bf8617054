//! Certificates and keys in PEM (RFC 7468): is a text what it has to be?

/// What a PEM text must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pem {
    /// One certificate or a chain, and nothing else.
    Certificate,
    /// One private key, and nothing else.
    PrivateKey,
    /// A certificate or a chain, and one private key.
    KeyPair,
}

/// The words of a configuration.
pub(crate) const WORDS: [(&str, Pem); 3] = [
    ("certificate", Pem::Certificate),
    ("private-key", Pem::PrivateKey),
    ("key-pair", Pem::KeyPair),
];

const CERTIFICATE: &str = "CERTIFICATE";

/// RSA and EC keys have labels of their own in the form that OpenSSL wrote before PKCS #8.
const PRIVATE_KEYS: [&str; 4] =
    ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"];

impl Pem {
    /// Checks a text.
    ///
    /// # Errors
    ///
    /// What is wrong, with labels but nothing else of the text.
    pub(crate) fn check(self, text: &str) -> Result<(), String> {
        let labels = read_labels(text)?;
        let certificates = labels.iter().filter(|label| **label == CERTIFICATE).count();
        let keys = labels.iter().filter(|label| PRIVATE_KEYS.contains(label)).count();
        let other =
            labels.iter().find(|it| **it != CERTIFICATE && !PRIVATE_KEYS.contains(it)).copied();
        let wants_certificate = self != Self::PrivateKey;
        let wants_key = self != Self::Certificate;
        if let Some(label) = other {
            return Err(format!("it holds a block `{}`", known_or_unknown(label)));
        }
        if wants_certificate && certificates == 0 {
            return Err("it holds no block `CERTIFICATE`".to_owned());
        }
        if !wants_certificate && certificates > 0 {
            return Err("it holds a certificate beside the private key".to_owned());
        }
        if wants_key && keys != 1 {
            return Err(format!("it holds {keys} private keys instead of 1"));
        }
        if !wants_key && keys > 0 {
            return Err("it holds a private key beside the certificate".to_owned());
        }
        Ok(())
    }
}

/// The label, where it is one that people use: anything else may be part of a secret.
fn known_or_unknown(label: &str) -> &str {
    let known = ["PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE REQUEST", "X509 CRL", "PKCS7"];
    let others = ["DH PARAMETERS", "EC PARAMETERS", "OPENSSH PRIVATE KEY", "TRUSTED CERTIFICATE"];
    if known.contains(&label) || others.contains(&label) { label } else { "of an unknown kind" }
}

/// The labels of all blocks, each of which is whole.
fn read_labels(text: &str) -> Result<Vec<&str>, String> {
    let mut labels = Vec::new();
    let mut lines = text.lines().map(str::trim_end);
    while let Some(line) = lines.next() {
        // RFC 7468 lets explanations stand between blocks; OpenSSL writes them.
        let Some(label) = strip_boundary(line, "-----BEGIN ") else { continue };
        let mut letters: usize = 0;
        loop {
            let line = lines.next().ok_or("its last block has no `-----END …-----` line")?;
            if let Some(end) = strip_boundary(line, "-----END ") {
                if end != label {
                    return Err("a block ends with another label than it begins with".to_owned());
                }
                break;
            }
            if !is_body(line) {
                return Err("a block holds a line that is not base64".to_owned());
            }
            // A header of an encrypted key counts as nothing.
            letters = letters.saturating_add(if line.contains(':') { 0 } else { line.len() });
        }
        if letters == 0 || !letters.is_multiple_of(4) {
            return Err("a block is empty or cut off".to_owned());
        }
        labels.push(label);
    }
    if labels.is_empty() {
        let hint = if text.contains("\\n") { "; its line ends are written as `\\n`" } else { "" };
        return Err(format!("it is not PEM: no line begins with `-----BEGIN `{hint}"));
    }
    Ok(labels)
}

fn strip_boundary<'t>(line: &'t str, begin: &str) -> Option<&'t str> {
    line.strip_prefix(begin)?.strip_suffix("-----")
}

fn is_body(line: &str) -> bool {
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    let is_header = line.starts_with("Proc-Type:") || line.starts_with("DEK-Info:");
    is_header || line.bytes().all(is_base64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(label: &str) -> String {
        format!("-----BEGIN {label}-----\nTUlJ\nQUJD\n-----END {label}-----\n")
    }

    #[test]
    fn a_text_holds_what_it_has_to() {
        let (certificate, key) = (block("CERTIFICATE"), block("PRIVATE KEY"));
        let encrypted = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
                         DEK-Info: AES-256-CBC,00\n\nTUlJ\n-----END RSA PRIVATE KEY-----\n";
        for (pem, text, expected) in [
            (Pem::Certificate, certificate.clone(), Ok(())),
            (Pem::Certificate, format!("subject=x\n{certificate}{certificate}"), Ok(())),
            (Pem::Certificate, certificate.replace('\n', "\r\n"), Ok(())),
            (Pem::PrivateKey, key.clone(), Ok(())),
            (Pem::PrivateKey, block("EC PRIVATE KEY"), Ok(())),
            (Pem::PrivateKey, encrypted.to_owned(), Ok(())),
            (Pem::KeyPair, format!("{key}{certificate}"), Ok(())),
            (Pem::KeyPair, certificate.clone(), Err("0 private keys instead of 1")),
            (Pem::KeyPair, key.clone(), Err("no block `CERTIFICATE`")),
            (Pem::KeyPair, format!("{key}{key}{certificate}"), Err("2 private keys")),
            (Pem::Certificate, key.clone(), Err("no block `CERTIFICATE`")),
            (Pem::Certificate, format!("{certificate}{key}"), Err("a private key beside")),
            (Pem::PrivateKey, format!("{certificate}{key}"), Err("a certificate beside")),
            (Pem::PrivateKey, certificate.clone(), Err("a certificate beside")),
            (Pem::PrivateKey, block("PUBLIC KEY"), Err("a block `PUBLIC KEY`")),
            (Pem::PrivateKey, block("hunter2"), Err("`of an unknown kind`")),
            (Pem::PrivateKey, "hunter2".to_owned(), Err("it is not PEM")),
            (Pem::Certificate, certificate.replace('\n', "\\n"), Err("written as `\\n`")),
            (Pem::Certificate, certificate.replace("QUJD", "QUJ"), Err("cut off")),
            (Pem::Certificate, certificate.replace("QUJD", "QU D"), Err("not base64")),
            (Pem::Certificate, certificate.replace("END", "EN"), Err("not base64")),
            (Pem::Certificate, block("CERTIFICATE").replace("-----END", ""), Err("not base64")),
            (Pem::Certificate, "-----BEGIN CERTIFICATE-----\nTUlJ".to_owned(), Err("no `-----END")),
        ] {
            match (pem.check(&text), expected) {
                (Ok(()), Ok(())) => {}
                (Err(error), Err(part)) => assert!(error.contains(part), "{error}\n{text}"),
                (found, _) => panic!("{found:?}, expected {expected:?}\n{text}"),
            }
        }
    }
}
