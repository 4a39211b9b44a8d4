//! How output and file contents are written to JSON: as text where they are UTF-8, else in hexadecimal, so that
//! a recording can be read, searched and edited with the usual tools.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form<'a> {
    Text(std::borrow::Cow<'a, str>),
    Hex { hex: String },
}

/// Text, or `{"hex": "…"}`.
pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    let hex = || bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect();
    let text = std::str::from_utf8(bytes);
    text.map_or_else(|_| Form::Hex { hex: hex() }, |text| Form::Text(text.into())).serialize(serializer)
}

/// The inverse of [`serialize`].
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    match Form::deserialize(deserializer)? {
        Form::Text(text) => Ok(text.into_owned().into_bytes()),
        Form::Hex { hex } => hex
            .as_bytes()
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).ok().and_then(|p| u8::from_str_radix(p, 16).ok()))
            .collect::<Option<Vec<u8>>>()
            .ok_or_else(|| serde::de::Error::custom("not hexadecimal")),
    }
}
