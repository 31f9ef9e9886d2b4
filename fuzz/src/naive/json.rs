//! JSON to the letter of RFC 8259, with everything kept that a text says.

/// A value as it is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    /// Its digits.
    Number(String),
    Text(Text),
    Array(Vec<Json>),
    Object(Vec<Member>),
}

/// A member of an object: there may be several of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    pub name: Text,
    pub value: Json,
    /// Its name in the text, with quotes.
    pub name_text: String,
    /// Its value in the text.
    pub value_text: String,
}

/// A text in UTF-16, in which alone half a surrogate pair can be said.
#[derive(Clone, Debug, PartialEq)]
pub struct Text(pub Vec<u16>);

/// As many arrays and objects may stand within each other, the outermost among them.
pub const MAX_DEPTH: usize = 127;

impl Text {
    pub fn of(text: &str) -> Self {
        Self(text.encode_utf16().collect())
    }

    /// The text, if it is one.
    pub fn get(&self) -> Option<String> {
        String::from_utf16(&self.0).ok()
    }
}

impl Json {
    pub fn read(text: &str) -> Option<Self> {
        let mut reader = Reader::new(text);
        let value = reader.value()?;
        reader.space();
        (reader.at == reader.text.len()).then_some(value)
    }

    /// The names that some object has twice, as far as the text is JSON.
    pub fn names_twice(text: &str) -> Vec<String> {
        let mut reader = Reader::new(text);
        let _ = reader.value();
        reader.twice.iter().filter_map(Text::get).collect()
    }

    /// The members of that name, of an object.
    pub fn members(&self, name: &str) -> Vec<&Json> {
        let Self::Object(members) = self else {
            return Vec::new();
        };
        let named = members
            .iter()
            .filter(|member| member.name == Text::of(name));
        named.map(|member| &member.value).collect()
    }

    pub fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => text.get(),
            _ => None,
        }
    }

    /// Everything in it, and itself.
    pub fn all(&self) -> Vec<&Json> {
        let inside: Vec<&Json> = match self {
            Self::Array(items) => items.iter().collect(),
            Self::Object(members) => members.iter().map(|member| &member.value).collect(),
            _ => Vec::new(),
        };
        let mut all = vec![self];
        for value in inside {
            all.extend(value.all());
        }
        all
    }

    /// How many arrays and objects stand within each other.
    pub fn depth(&self) -> usize {
        let deepest = |depths: Vec<usize>| 1 + depths.into_iter().max().unwrap_or(0);
        match self {
            Self::Array(items) => deepest(items.iter().map(Json::depth).collect()),
            Self::Object(members) => deepest(members.iter().map(|m| m.value.depth()).collect()),
            _ => 0,
        }
    }

    /// Whether some object in it has a member twice.
    pub fn repeats(&self) -> bool {
        self.all().iter().any(|value| match value {
            Json::Object(members) => members.iter().any(|one| {
                members
                    .iter()
                    .filter(|other| other.name == one.name)
                    .count()
                    > 1
            }),
            _ => false,
        })
    }

    /// Whether all in it is a text, or a number that a double can hold.
    pub fn is_sound(&self) -> bool {
        self.all().iter().all(|value| match value {
            Json::Number(digits) => digits.parse::<f64>().is_ok_and(f64::is_finite),
            Json::Text(text) => text.get().is_some(),
            Json::Object(members) => members.iter().all(|member| member.name.get().is_some()),
            _ => true,
        })
    }

    /// Whether `serde_json` has read the same.
    pub fn is(&self, value: &serde_json::Value) -> bool {
        use serde_json::Value;
        match (self, value) {
            (Self::Null, Value::Null) => true,
            (Self::Bool(one), Value::Bool(other)) => one == other,
            (Self::Number(digits), Value::Number(number)) => {
                digits.parse::<f64>().ok() == number.as_f64()
                    && (number.is_f64() || *digits == number.to_string())
            }
            (Self::Text(text), Value::String(other)) => text.get().as_ref() == Some(other),
            (Self::Array(items), Value::Array(others)) => {
                items.len() == others.len() && items.iter().zip(others).all(|(a, b)| a.is(b))
            }
            (Self::Object(members), Value::Object(others)) => {
                let is_there = |member: &Member| {
                    let other = member.name.get().and_then(|name| others.get(&name));
                    other.is_some_and(|other| member.value.is(other))
                };
                members.len() == others.len() && members.iter().all(is_there)
            }
            _ => false,
        }
    }
}

struct Reader {
    text: Vec<char>,
    at: usize,
    /// The names that came twice.
    twice: Vec<Text>,
}

impl Reader {
    fn new(text: &str) -> Self {
        Self {
            text: text.chars().collect(),
            at: 0,
            twice: Vec::new(),
        }
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek();
        self.at += 1;
        next
    }

    fn take(&mut self, expected: char) -> Option<()> {
        (self.next()? == expected).then_some(())
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.at += 1;
        }
    }

    fn between(&self, from: usize) -> String {
        self.text[from..self.at].iter().collect()
    }

    fn value(&mut self) -> Option<Json> {
        self.space();
        match self.peek()? {
            'n' => self.word("null", Json::Null),
            't' => self.word("true", Json::Bool(true)),
            'f' => self.word("false", Json::Bool(false)),
            '"' => self.string().map(Json::Text),
            '[' => self.array(),
            '{' => self.object(),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Option<Json> {
        for character in word.chars() {
            self.take(character)?;
        }
        Some(value)
    }

    fn array(&mut self) -> Option<Json> {
        self.take('[')?;
        let mut items = Vec::new();
        self.space();
        if self.peek()? == ']' {
            self.at += 1;
            return Some(Json::Array(items));
        }
        loop {
            items.push(self.value()?);
            self.space();
            match self.next()? {
                ',' => {}
                ']' => return Some(Json::Array(items)),
                _ => return None,
            }
        }
    }

    fn object(&mut self) -> Option<Json> {
        self.take('{')?;
        let mut members: Vec<Member> = Vec::new();
        self.space();
        if self.peek()? == '}' {
            self.at += 1;
            return Some(Json::Object(members));
        }
        loop {
            self.space();
            let from = self.at;
            let name = self.string()?;
            let name_text = self.between(from);
            if members.iter().any(|member| member.name == name) {
                self.twice.push(name.clone());
            }
            self.space();
            self.take(':')?;
            self.space();
            let from = self.at;
            let value = self.value()?;
            members.push(Member {
                name,
                value,
                name_text,
                value_text: self.between(from),
            });
            self.space();
            match self.next()? {
                ',' => {}
                '}' => return Some(Json::Object(members)),
                _ => return None,
            }
        }
    }

    fn string(&mut self) -> Option<Text> {
        self.take('"')?;
        let mut units = Vec::new();
        loop {
            let character = self.next()?;
            match character {
                '"' => return Some(Text(units)),
                '\\' => {
                    let unit = match self.next()? {
                        same @ ('"' | '\\' | '/') => u16::try_from(same).ok()?,
                        'b' => 0x08,
                        'f' => 0x0c,
                        'n' => 0x0a,
                        'r' => 0x0d,
                        't' => 0x09,
                        'u' => self.hex()?,
                        _ => return None,
                    };
                    units.push(unit);
                }
                '\0'..='\x1f' => return None,
                _ => units.extend_from_slice(character.encode_utf16(&mut [0; 2])),
            }
        }
    }

    fn hex(&mut self) -> Option<u16> {
        let mut unit = 0;
        for _ in 0..4 {
            unit = unit * 16 + self.next()?.to_digit(16)?;
        }
        u16::try_from(unit).ok()
    }

    fn digits(&mut self) -> Option<()> {
        let from = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > from).then_some(())
    }

    fn number(&mut self) -> Option<Json> {
        let from = self.at;
        if self.peek() == Some('-') {
            self.at += 1;
        }
        if self.peek() == Some('0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some('.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            self.at += 1;
            if matches!(self.peek(), Some('+' | '-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(Json::Number(self.between(from)))
    }
}
