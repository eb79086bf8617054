//! Metric math, as far as our alarms use it: the points of one period give one point.
//!
//! What is not known here is refused, so that an alarm is never judged by a guess. Of missing
//! points the user guide says, in words or in its examples:
//!
//! - Operators treat a point that only one of two series lacks as 0; where both lack it, there is
//!   none. Between a series and a number, a missing point stays missing.
//! - A point that would be divided by zero is dropped.
//! - `IF` has no point where its condition has none. One that its choice lacks is 0, unless that is
//!   the second choice and the first is a number.

use std::collections::BTreeMap;

/// By the ids of their series; nothing where one is missing.
pub(crate) type Points = BTreeMap<String, Option<f64>>;

type Rule = fn(f64, f64) -> f64;

#[expect(clippy::float_cmp, reason = "`==` of metric math compares exactly")]
const COMPARISONS: &[(&str, Rule)] = &[
    ("<", |a, b| f64::from(a < b)),
    ("<=", |a, b| f64::from(a <= b)),
    (">", |a, b| f64::from(a > b)),
    (">=", |a, b| f64::from(a >= b)),
    ("==", |a, b| f64::from(a == b)),
    ("!=", |a, b| f64::from(a != b)),
];
const SUMS: &[(&str, Rule)] = &[("+", |a, b| a + b), ("-", |a, b| a - b)];
const PRODUCTS: &[(&str, Rule)] = &[("*", |a, b| a * b), ("/", |a, b| a / b)];

/// The point that an expression gives; nothing if it is missing.
///
/// # Errors
///
/// What is not metric math, is metric math that is not known here, or is no series.
pub(crate) fn point(expression: &str, points: &Points) -> Result<Option<f64>, String> {
    let read = || {
        let mut reader = Reader { tokens: tokens(expression)?, at: 0, points };
        let value = reader.comparison()?;
        match (reader.token(), value) {
            (Some(token), _) => Err(format!("`{token}` is one too many")),
            (None, Value::Point(point)) => Ok(point),
            (None, Value::Number(_)) => Err("it is a number and no series".to_owned()),
        }
    };
    read().map_err(|problem| format!("the expression `{expression}` cannot be used: {problem}"))
}

/// The words and signs of an expression.
fn tokens(text: &str) -> Result<Vec<&str>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let of_a_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let length = match first {
            _ if of_a_word(first) => rest.find(|c| !of_a_word(c)).unwrap_or(rest.len()),
            '<' | '>' | '=' | '!' if rest.get(1..2) == Some("=") => 2,
            '<' | '>' | '+' | '-' | '*' | '/' | '(' | ')' | ',' => 1,
            _ => return Err(format!("`{first}` is no sign that is known here")),
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

#[derive(Clone, Copy)]
enum Value {
    Number(f64),
    /// Of a series.
    Point(Option<f64>),
}

impl Value {
    fn with(self, rule: Rule, right: Self) -> Self {
        let point = match (self, right) {
            (Self::Number(left), Self::Number(right)) => return Self::Number(rule(left, right)),
            (Self::Number(left), Self::Point(right)) => right.map(|right| rule(left, right)),
            (Self::Point(left), Self::Number(right)) => left.map(|left| rule(left, right)),
            (Self::Point(None), Self::Point(None)) => None,
            (Self::Point(left), Self::Point(right)) => {
                Some(rule(left.unwrap_or(0.0), right.unwrap_or(0.0)))
            }
        };
        Self::Point(point.filter(|it| it.is_finite()))
    }

    fn point(self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Point(point) => point,
        }
    }
}

/// Reads by descent, from what binds least: comparison, sum, product, sign, then what stands alone.
struct Reader<'a> {
    tokens: Vec<&'a str>,
    at: usize,
    points: &'a Points,
}

impl<'a> Reader<'a> {
    fn token(&mut self) -> Option<&'a str> {
        self.at += 1;
        self.tokens.get(self.at - 1).copied()
    }

    fn takes(&mut self, token: &str) -> bool {
        let there = self.tokens.get(self.at) == Some(&token);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, wanted: &str) -> Result<(), String> {
        match self.token() {
            Some(token) if token == wanted => Ok(()),
            Some(token) => Err(format!("`{token}` stands where `{wanted}` belongs")),
            None => Err(format!("it ends where `{wanted}` belongs")),
        }
    }

    fn rule(&mut self, of: &[(&str, Rule)]) -> Option<Rule> {
        of.iter().find(|(sign, _)| self.takes(sign)).map(|(_, rule)| *rule)
    }

    fn comparison(&mut self) -> Result<Value, String> {
        let left = self.sum()?;
        let Some(rule) = self.rule(COMPARISONS) else { return Ok(left) };
        Ok(left.with(rule, self.sum()?))
    }

    fn sum(&mut self) -> Result<Value, String> {
        let mut left = self.product()?;
        while let Some(rule) = self.rule(SUMS) {
            left = left.with(rule, self.product()?);
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Value, String> {
        let mut left = self.signed()?;
        while let Some(rule) = self.rule(PRODUCTS) {
            left = left.with(rule, self.signed()?);
        }
        Ok(left)
    }

    fn signed(&mut self) -> Result<Value, String> {
        if self.takes("-") {
            return Ok(Value::Number(0.0).with(|a, b| a - b, self.signed()?));
        }
        self.alone()
    }

    fn alone(&mut self) -> Result<Value, String> {
        let token = self.token().ok_or("it ends where a value belongs")?;
        if token == "(" {
            let inside = self.comparison()?;
            return self.expect(")").map(|()| inside);
        }
        if let Some(point) = self.points.get(token) {
            return Ok(Value::Point(*point));
        }
        if self.takes("(") {
            let value = match token {
                "FILL" => self.filled()?,
                "IF" => self.chosen()?,
                _ => return Err(format!("`{token}` is no function that is known here")),
            };
            return self.expect(")").map(|()| value);
        }
        let is_number = token.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        match token.parse() {
            Ok(number) if is_number => Ok(Value::Number(number)),
            _ => Err(format!("`{token}` is no value that is known here")),
        }
    }

    fn filled(&mut self) -> Result<Value, String> {
        let of = self.comparison()?;
        self.expect(",")?;
        match (of, self.comparison()?) {
            (Value::Point(point), Value::Number(number)) => {
                Ok(Value::Point(point.or(Some(number))))
            }
            _ => Err("`FILL` is known here of a series and a number".to_owned()),
        }
    }

    fn chosen(&mut self) -> Result<Value, String> {
        let Value::Point(condition) = self.comparison()? else {
            return Err("`IF` is known here of a series".to_owned());
        };
        self.expect(",")?;
        let yes = self.comparison()?;
        self.expect(",")?;
        let no = self.comparison()?;
        Ok(Value::Point(condition.and_then(|holds| match (yes, no) {
            (yes, _) if holds != 0.0 => yes.point().or(Some(0.0)),
            (Value::Number(_), no) => no.point(),
            (Value::Point(_), no) => no.point().or(Some(0.0)),
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(points: &str) -> Vec<Option<f64>> {
        points.split(' ').map(|it| it.parse().ok()).collect()
    }

    /// Some rows are the examples of the user guide, of `[1, 1, 0, 0, -]` and the like.
    #[test]
    fn each_point_is_worked_out() {
        let of = [
            ("a", drawn("30 20 0 0 -")),
            ("b", drawn("20 - 20 - -")),
            ("if", drawn("1 1 0 0 -")),
            ("yes", drawn("30 - 0 0 30")),
            ("no", drawn("0 0 20 - 20")),
            ("none", drawn("- - - - -")),
        ];
        for (text, expected) in [
            ("a", "30 20 0 0 -"),
            ("a < b", "0 0 1 0 -"),
            ("a <= 20", "0 1 1 1 -"),
            ("a >= 30", "1 0 0 0 -"),
            ("30 <= a", "1 0 0 0 -"),
            ("b == 20", "1 - 1 - -"),
            ("b != 20", "0 - 0 - -"),
            ("a > 10 + 15", "1 0 0 0 -"),
            ("a + b", "50 20 20 0 -"),
            ("a - b - b", "-10 20 -40 0 -"),
            ("a - (b - b)", "30 20 0 0 -"),
            ("1 + a * 2", "61 41 1 1 -"),
            ("(1 + a) * 2", "62 42 2 2 -"),
            ("a / 4 / 5", "1.5 1 0 0 -"),
            ("-5 * a", "-150 -100 0 0 -"),
            ("-a", "-30 -20 0 0 -"),
            ("a / b", "1.5 - 0 - -"),
            ("b / a", "0.6666666666666666 0 - - -"),
            ("a / 0", "- - - - -"),
            ("a / none", "- - - - -"),
            ("FILL(b, 0)", "20 0 20 0 0"),
            ("FILL(b, -1.5)", "20 -1.5 20 -1.5 -1.5"),
            ("FILL(a / b, 7)", "1.5 7 0 7 7"),
            ("FILL(a, 0) + FILL(b, 0) + FILL(none, 0)", "50 20 20 0 0"),
            ("IF(if, yes, no)", "30 0 20 0 -"),
            ("IF(if, 5, no)", "5 5 20 - -"),
            ("IF(if, yes, 5)", "30 0 5 5 -"),
            ("IF(a < 20, 10, 2)", "2 2 10 10 -"),
            (
                "IF((FILL(a, 0) + FILL(b, 0)) >= 21, \
                 100 * FILL(a, 0) / (FILL(a, 0) + FILL(b, 0)), 100)",
                "60 100 100 100 100",
            ),
            (" IF( a+b>=20,1,0 ) ", "1 1 1 0 -"),
        ] {
            let at = |number: usize| of.iter().map(move |(id, it)| ((*id).to_owned(), it[number]));
            let points = (0..5).map(|number| point(text, &at(number).collect()).unwrap());
            assert_eq!(points.collect::<Vec<_>>(), drawn(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let points = ["a", "b"].map(|id| (id.to_owned(), None)).into();
        for (text, expected) in [
            ("", "it ends where a value belongs"),
            ("a +", "it ends where a value belongs"),
            ("(a", "it ends where `)` belongs"),
            ("a)", "`)` is one too many"),
            ("a b", "`b` is one too many"),
            ("a < b < a", "`<` is one too many"),
            ("a && b", "`&` is no sign that is known here"),
            ("a ^ 2", "`^` is no sign that is known here"),
            ("a = b", "`=` is no sign that is known here"),
            ("a <é", "`é` is no sign that is known here"),
            ("[a, b]", "`[` is no sign that is known here"),
            ("1.2.3 + a", "`1.2.3` is no value that is known here"),
            ("A + a", "`A` is no value that is known here"),
            ("a + inf", "`inf` is no value that is known here"),
            ("1 + 2", "it is a number and no series"),
            ("RATE(a)", "`RATE` is no function that is known here"),
            ("fill(a, 0)", "`fill` is no function that is known here"),
            ("FILL(a)", "`)` stands where `,` belongs"),
            ("FILL(1, 2)", "`FILL` is known here of a series and a number"),
            ("FILL(a, b)", "`FILL` is known here of a series and a number"),
            ("FILL(a, REPEAT)", "`REPEAT` is no value that is known here"),
            ("IF(a, b)", "`)` stands where `,` belongs"),
            ("IF(1, a, b)", "`IF` is known here of a series"),
        ] {
            let expected = format!("the expression `{text}` cannot be used: {expected}");
            assert_eq!(point(text, &points), Err(expected));
        }
    }
}
