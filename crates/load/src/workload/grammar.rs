//! Phrase books: small grammars from which prompts are composed.
//!
//! A book is a text file of rules. A rule is its name in brackets and, below it, one alternative a
//! line:
//!
//! ```text
//! # Anything after a hash at the start of a line is for the reader.
//! [question]
//! How long does it take to {task} in {2..40} steps?
//!
//! [task]
//! sort a deck of cards
//! ```
//!
//! `{task}` stands for one alternative of that rule and `{2..40}` for a number from 2 to 40. A rule
//! named `[company once]` keeps its first value through the whole text drawn. `\n` is a line break.
//! A name that no rule has, a rule without alternatives and a rule that contains itself are errors.

use std::collections::HashMap;

use domain::Random;

/// What is wrong with a phrase book.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub(crate) struct GrammarError {
    line: usize,
    problem: String,
}

/// A piece of an alternative.
#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Number { low: u64, high: u64 },
    Rule(RuleId),
}

/// Names a rule of one grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RuleId(usize);

#[derive(Clone, Debug)]
struct Rule {
    name: String,
    line: usize,
    once: bool,
    alternatives: Vec<Alternative>,
    /// How many texts the rule stands for; the largest number where there are more.
    count: u64,
}

#[derive(Clone, Debug)]
struct Alternative {
    parts: Vec<Part>,
    count: u64,
}

/// A phrase book, checked: every mention leads to a rule, and no rule contains itself.
#[derive(Clone, Debug)]
pub(crate) struct Grammar {
    rules: Vec<Rule>,
}

/// The values that `once` rules took in the text being drawn.
pub(crate) type Settled = HashMap<RuleId, String>;

impl Grammar {
    /// Reads a phrase book.
    pub(crate) fn parse(book: &str) -> Result<Self, GrammarError> {
        let mut rules = outline(book)?;
        let ids = names(&rules)?;
        let mut current = None;
        for (line, text) in lines(book) {
            if let Some(header) = text.strip_prefix('[') {
                current = header_name(header, line).map(|(name, _)| ids.get(name).copied())?;
            } else if let Some(RuleId(rule)) = current {
                let parts = parse_parts(text, line, &ids)?;
                rules[rule].alternatives.push(Alternative { parts, count: 0 });
            }
        }
        if let Some(rule) = rules.iter().find(|rule| rule.alternatives.is_empty()) {
            return Err(error(rule.line, format!("`{}` has no alternatives", rule.name)));
        }
        let mut grammar = Self { rules };
        let mut state = vec![Counting::NotYet; grammar.rules.len()];
        for rule in 0..grammar.rules.len() {
            grammar.count(RuleId(rule), &mut state)?;
        }
        Ok(grammar)
    }

    /// The rule called `name`.
    pub(crate) fn rule(&self, name: &str) -> Option<RuleId> {
        self.rules.iter().position(|rule| rule.name == name).map(RuleId)
    }

    /// Every rule whose name starts with `prefix`, with the rest of the name, in the book's order.
    pub(crate) fn rules_under(&self, prefix: &str) -> impl Iterator<Item = (RuleId, &str)> {
        self.rules.iter().enumerate().filter_map(move |(position, rule)| {
            Some((RuleId(position), rule.name.strip_prefix(prefix)?))
        })
    }

    /// How many alternatives a rule has.
    pub(crate) fn alternatives(&self, rule: RuleId) -> usize {
        self.rules[rule.0].alternatives.len()
    }

    /// How many texts [`Grammar::nth`] tells apart: the rule's alternatives take turns, so each
    /// gives as many as the poorest has.
    pub(crate) fn variety(&self, rule: RuleId) -> u64 {
        let alternatives = &self.rules[rule.0].alternatives;
        let poorest = alternatives.iter().map(|alternative| alternative.count).min().unwrap_or(0);
        poorest.saturating_mul(alternatives.len() as u64)
    }

    /// The text of `rule` numbered `number`, below its [`Grammar::variety`]: another for each
    /// number, unless the book says the same thing in two ways. `once` is not heeded here.
    pub(crate) fn nth(&self, rule: RuleId, number: u64) -> String {
        let alternatives = &self.rules[rule.0].alternatives;
        let turns = alternatives.len() as u64;
        let alternative = &alternatives[(number % turns) as usize];
        // Spread over the alternative's own texts, so that a rich one is not read from its
        // beginning only.
        let poorest = self.variety(rule) / turns;
        let spread = u128::from(number / turns) * u128::from(alternative.count);
        let mut text = String::new();
        self.write_nth(alternative, (spread / u128::from(poorest)) as u64, &mut text);
        text
    }

    fn write_nth(&self, alternative: &Alternative, mut number: u64, text: &mut String) {
        for part in &alternative.parts {
            let (digit, rest) = split_digit(number, self.part_count(part));
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Number { low, .. } => text.push_str(&(low + digit).to_string()),
                Part::Rule(rule) => {
                    let (alternative, digit) = self.alternative_of(*rule, digit);
                    self.write_nth(alternative, digit, text);
                }
            }
            number = rest;
        }
    }

    /// The alternative of `rule` in which text `number` lies, and the text's number within it.
    fn alternative_of(&self, rule: RuleId, mut number: u64) -> (&Alternative, u64) {
        let alternatives = &self.rules[rule.0].alternatives;
        for alternative in alternatives {
            if number < alternative.count {
                return (alternative, number);
            }
            number -= alternative.count;
        }
        (&alternatives[0], 0)
    }

    /// Appends a text of `rule` to `text`, every alternative as likely as any other.
    pub(crate) fn draw(
        &self,
        rule: RuleId,
        random: &mut Random,
        settled: &mut Settled,
        text: &mut String,
    ) {
        let alternatives = self.rules[rule.0].alternatives.len() as u64;
        self.draw_alternative(rule, random.below(alternatives) as usize, random, settled, text);
    }

    /// Appends a text of the given alternative of `rule` to `text`.
    pub(crate) fn draw_alternative(
        &self,
        rule: RuleId,
        alternative: usize,
        random: &mut Random,
        settled: &mut Settled,
        text: &mut String,
    ) {
        if let Some(value) = settled.get(&rule) {
            text.push_str(value);
            return;
        }
        let start = text.len();
        for part in &self.rules[rule.0].alternatives[alternative].parts {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Number { low, high } => {
                    text.push_str(&(low + random.below(high - low + 1)).to_string());
                }
                Part::Rule(rule) => self.draw(*rule, random, settled, text),
            }
        }
        if self.rules[rule.0].once {
            settled.insert(rule, text[start..].to_owned());
        }
    }

    fn part_count(&self, part: &Part) -> u64 {
        match part {
            Part::Text(_) => 1,
            Part::Number { low, high } => high - low + 1,
            Part::Rule(rule) => self.rules[rule.0].count,
        }
    }

    /// Counts the texts of `rule` and of all it mentions, which finds any rule that contains itself.
    fn count(&mut self, rule: RuleId, state: &mut [Counting]) -> Result<(), GrammarError> {
        match state[rule.0] {
            Counting::Done => return Ok(()),
            Counting::Begun => {
                let Rule { name, line, .. } = &self.rules[rule.0];
                return Err(error(*line, format!("`{name}` contains itself")));
            }
            Counting::NotYet => state[rule.0] = Counting::Begun,
        }
        let mut total = 0_u64;
        for position in 0..self.rules[rule.0].alternatives.len() {
            let mut count = 1_u64;
            for part in self.rules[rule.0].alternatives[position].parts.clone() {
                if let Part::Rule(mentioned) = part {
                    self.count(mentioned, state)?;
                }
                count = count.saturating_mul(self.part_count(&part));
            }
            self.rules[rule.0].alternatives[position].count = count;
            total = total.saturating_add(count);
        }
        self.rules[rule.0].count = total;
        state[rule.0] = Counting::Done;
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Counting {
    NotYet,
    Begun,
    Done,
}

/// The lowest digit of `number` in base `base`, and the number without it.
fn split_digit(number: u64, base: u64) -> (u64, u64) {
    (number % base, number / base)
}

/// The lines that say something, with their numbers from one.
fn lines(book: &str) -> impl Iterator<Item = (usize, &str)> {
    book.lines()
        .enumerate()
        .map(|(position, line)| (position + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// The book's rules in order, without their alternatives.
fn outline(book: &str) -> Result<Vec<Rule>, GrammarError> {
    let mut rules = Vec::new();
    for (line, text) in lines(book) {
        if let Some(header) = text.strip_prefix('[') {
            let (name, once) = header_name(header, line)?;
            let name = name.to_owned();
            rules.push(Rule { name, line, once, alternatives: Vec::new(), count: 0 });
        } else if rules.is_empty() {
            return Err(error(line, "text before the first `[rule]`".to_owned()));
        }
    }
    Ok(rules)
}

fn header_name(header: &str, line: usize) -> Result<(&str, bool), GrammarError> {
    let name = header
        .strip_suffix(']')
        .ok_or_else(|| error(line, "a rule's name ends in `]`".to_owned()))?;
    Ok(name.strip_suffix(" once").map_or((name, false), |name| (name, true)))
}

fn names(rules: &[Rule]) -> Result<HashMap<String, RuleId>, GrammarError> {
    let mut ids = HashMap::new();
    for (position, rule) in rules.iter().enumerate() {
        if ids.insert(rule.name.clone(), RuleId(position)).is_some() {
            return Err(error(rule.line, format!("`{}` is there twice", rule.name)));
        }
    }
    Ok(ids)
}

fn parse_parts(
    text: &str,
    line: usize,
    ids: &HashMap<String, RuleId>,
) -> Result<Vec<Part>, GrammarError> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((literal, after)) = rest.split_once('{') {
        let (slot, after) =
            after.split_once('}').ok_or_else(|| error(line, "a `{` without its `}`".to_owned()))?;
        push_literal(literal, &mut parts);
        parts.push(parse_slot(slot, line, ids)?);
        rest = after;
    }
    push_literal(rest, &mut parts);
    Ok(parts)
}

fn push_literal(literal: &str, parts: &mut Vec<Part>) {
    if !literal.is_empty() {
        parts.push(Part::Text(literal.replace("\\n", "\n")));
    }
}

fn parse_slot(
    slot: &str,
    line: usize,
    ids: &HashMap<String, RuleId>,
) -> Result<Part, GrammarError> {
    if let Some((low, high)) = slot.split_once("..") {
        return match (low.parse(), high.parse()) {
            (Ok(low), Ok(high)) if low <= high => Ok(Part::Number { low, high }),
            _ => Err(error(line, format!("`{{{slot}}}` is no range of whole numbers"))),
        };
    }
    let id = ids.get(slot).ok_or_else(|| error(line, format!("no rule is called `{slot}`")))?;
    Ok(Part::Rule(*id))
}

fn error(line: usize, problem: String) -> GrammarError {
    GrammarError { line, problem }
}

#[cfg(test)]
impl Grammar {
    /// The names of the rules that cannot be reached from `roots`.
    pub(crate) fn unreachable(&self, roots: impl IntoIterator<Item = RuleId>) -> Vec<&str> {
        let mut open: Vec<RuleId> = roots.into_iter().collect();
        let mut reached = vec![false; self.rules.len()];
        while let Some(rule) = open.pop() {
            if std::mem::replace(&mut reached[rule.0], true) {
                continue;
            }
            for part in self.rules[rule.0].alternatives.iter().flat_map(|a| &a.parts) {
                if let Part::Rule(mentioned) = part {
                    open.push(*mentioned);
                }
            }
        }
        let rules = self.rules.iter().zip(reached);
        rules.filter(|(_, reached)| !reached).map(|(rule, _)| rule.name.as_str()).collect()
    }

    /// The rules of which two alternatives are the same.
    pub(crate) fn repeating(&self) -> Vec<&str> {
        let repeats = |rule: &&Rule| {
            let mut seen = std::collections::HashSet::new();
            rule.alternatives.iter().any(|a| !seen.insert(format!("{:?}", a.parts)))
        };
        self.rules.iter().filter(repeats).map(|rule| rule.name.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use domain::Seed;

    use super::*;

    const BOOK: &str = "
        # Two ways to ask.
        [question]
        Is {thing} {2..4} years old?
        Who made {thing}\\nand why?

        [thing]
        a {colour} door
        the moon

        [colour]
        red
        green

        [name once]
        Ada
        Bo

        [letter]
        {name} and {name}
    ";

    #[test]
    fn numbers_name_every_text_once() {
        let grammar = Grammar::parse(BOOK).unwrap();
        let question = grammar.rule("question").unwrap();
        assert_eq!(grammar.variety(question), 6, "two alternatives, the poorer with three texts");
        let texts: Vec<String> = (0..6).map(|number| grammar.nth(question, number)).collect();
        assert_eq!(
            texts,
            [
                "Is a red door 2 years old?",
                "Who made a red door\nand why?",
                "Is a red door 3 years old?",
                "Who made a green door\nand why?",
                "Is a red door 4 years old?",
                "Who made the moon\nand why?",
            ]
        );
    }

    #[test]
    fn a_once_rule_keeps_its_value_through_a_text() {
        let grammar = Grammar::parse(BOOK).unwrap();
        let letter = grammar.rule("letter").unwrap();
        let mut texts: Vec<String> = (0..20)
            .map(|seed| {
                let mut text = String::new();
                let mut random = Seed(seed).random();
                grammar.draw(letter, &mut random, &mut Settled::new(), &mut text);
                text
            })
            .collect();
        texts.sort();
        texts.dedup();
        assert_eq!(texts, ["Ada and Ada", "Bo and Bo"]);
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let cases = [
            ("hello", "line 1: text before the first `[rule]`"),
            ("[a\nx", "line 1: a rule's name ends in `]`"),
            ("[a]\nx\n[a]\ny", "line 3: `a` is there twice"),
            ("[a]\n\n[b]\nx", "line 1: `a` has no alternatives"),
            ("[a]\nx {b}", "line 2: no rule is called `b`"),
            ("[a]\nx {b", "line 2: a `{` without its `}`"),
            ("[a]\n{9..3}", "line 2: `{9..3}` is no range of whole numbers"),
            ("[a]\n{b}\n[b]\n{a}", "line 1: `a` contains itself"),
        ];
        for (book, message) in cases {
            assert_eq!(Grammar::parse(book).unwrap_err().to_string(), message, "{book:?}");
        }
    }
}
