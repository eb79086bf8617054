//! What a script configures, in its words, and the text that is stored for it.

use std::collections::BTreeMap;

/// The service's configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// Whether the hosts serve behind a load balancer.
    pub(crate) balanced: bool,
    /// The lines of the environment, by key.
    lines: BTreeMap<&'static str, String>,
}

impl Settings {
    /// What holds where a script says nothing: bakes are short, or scripts would be long.
    pub(crate) fn new() -> Self {
        let mut settings = Self::default();
        settings.lines.insert("bake", r#"bake = { for = "1m" }"#.to_owned());
        settings
    }

    /// Takes settings up, separated by commas.
    pub(crate) fn take(&mut self, text: &str) -> Result<(), String> {
        text.split(',').map(str::trim).filter(|it| !it.is_empty()).try_for_each(|it| self.one(it))
    }

    fn one(&mut self, text: &str) -> Result<(), String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (key, line) = match words.as_slice() {
            ["balanced"] => {
                self.balanced = true;
                return Ok(());
            }
            ["waves", waves @ ..] => {
                let waves: Vec<String> = waves.iter().map(|it| format!("\"{it}\"")).collect();
                ("waves", format!("waves = [{}]", waves.join(", ")))
            }
            ["floor", floor] => ("min_in_service", format!("min_in_service = \"{floor}\"")),
            ["bake", span] => ("bake", format!("bake = {{ for = \"{span}\" }}")),
            ["bake", span, "watching", alarm] => {
                ("bake", format!("bake = {{ for = \"{span}\", alarms = [\"{alarm}\"] }}"))
            }
            ["secret", name] => ("secrets", format!("secrets = [\"{name}\"]")),
            ["gate", line @ ..] => {
                ("gate", format!("gate = {{ {} }}", line.join(" ").replace(';', ",")))
            }
            ["waive", id] => {
                let until = "until = \"2099-01-01\", reason = \"not reachable\", by = \"ana\"";
                ("waivers", format!("waivers = [{{ id = \"{id}\", {until} }}]"))
            }
            ["on_failure", it] => ("on_failure", format!("on_failure = \"{it}\"")),
            ["unreachable", it] => ("unreachable", format!("unreachable = \"{it}\"")),
            ["drift", it] => ("drift", format!("drift = \"{it}\"")),
            ["no", "freeze"] => ("freeze", "freeze = []".to_owned()),
            ["freeze", day, hour, "for", span] => {
                let from =
                    format!("{{ from = \"{day} {hour}\", for = \"{span}\", zone = \"UTC\" }}");
                ("freeze", format!("freeze = [{from}]"))
            }
            _ => return Err(format!("there is no setting `{text}`")),
        };
        self.lines.insert(key, line);
        Ok(())
    }

    /// The text that is stored; `group` is the hosts' target group.
    pub(crate) fn text(&self, group: Option<&str>) -> String {
        let groups = group.map(|it| format!("target_groups = [\"{it}\"]"));
        let lines: Vec<String> = self.lines.values().cloned().chain(groups).collect();
        format!("[environments.production]\n{}\n", lines.join("\n"))
    }
}
