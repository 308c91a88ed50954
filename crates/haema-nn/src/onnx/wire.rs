//! Protocol Buffers as bytes: as much of the wire format as an ONNX file needs.
//!
//! # Source
//!
//! <https://protobuf.dev/programming-guides/encoding/>

/// A message under construction. Fields are written in the order of the calls, so the same calls
/// give the same bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct Message {
    bytes: Vec<u8>,
}

/// How a field's value is laid out.
#[derive(Debug, Clone, Copy)]
enum Wire {
    Varint = 0,
    Length = 2,
    Fixed32 = 5,
}

impl Message {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A whole number. Negative ones take ten bytes, as the format has it.
    #[must_use]
    pub(super) fn int(mut self, field: u64, value: i64) -> Self {
        self.tag(field, Wire::Varint);
        self.varint(value.cast_unsigned());
        self
    }

    /// Whole numbers, one field each: `repeated` of proto2, which ONNX is written in.
    #[must_use]
    pub(super) fn ints(self, field: u64, values: &[i64]) -> Self {
        values.iter().fold(self, |message, &value| message.int(field, value))
    }

    #[must_use]
    pub(super) fn float(mut self, field: u64, value: f32) -> Self {
        self.tag(field, Wire::Fixed32);
        self.bytes.extend(value.to_le_bytes());
        self
    }

    #[must_use]
    pub(super) fn text(self, field: u64, value: &str) -> Self {
        self.blob(field, value.as_bytes())
    }

    #[must_use]
    pub(super) fn message(self, field: u64, value: &Self) -> Self {
        self.blob(field, &value.bytes)
    }

    /// Values as they lie in memory on a little-endian machine.
    #[must_use]
    pub(super) fn raw_floats(mut self, field: u64, values: impl Iterator<Item = f32>) -> Self {
        let bytes: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
        self = self.blob(field, &bytes);
        self
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn blob(mut self, field: u64, bytes: &[u8]) -> Self {
        self.tag(field, Wire::Length);
        self.varint(bytes.len() as u64);
        self.bytes.extend(bytes);
        self
    }

    fn tag(&mut self, field: u64, wire: Wire) {
        self.varint(field << 3 | wire as u64);
    }

    fn varint(&mut self, mut value: u64) {
        while value > 0x7f {
            self.bytes.push(value as u8 & 0x7f | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the format's own page.
    #[test]
    fn the_examples_of_the_specification_come_out() {
        assert_eq!(Message::new().int(1, 150).into_bytes(), [0x08, 0x96, 0x01]);
        let text = Message::new().text(2, "testing").into_bytes();
        assert_eq!(text, [0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67]);
        let inner = Message::new().int(1, 150);
        assert_eq!(Message::new().message(3, &inner).into_bytes(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        let minus_two = Message::new().int(1, -2).into_bytes();
        assert_eq!(minus_two[1..], [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
    }
}
