//! Whether blocks fit together, and the shape of what each makes.

use std::collections::HashMap;

use haema_kernels::stem;

use super::{BlockSpec, ConvSpec, INPUT, NormMode, NormSpec, Op, SpecError, Statistics};

impl BlockSpec {
    fn find(&self, known: &HashMap<&str, [usize; 4]>, name: &str) -> Result<[usize; 4], SpecError> {
        known
            .get(name)
            .copied()
            .ok_or_else(|| SpecError::Unknown { block: self.name.clone(), input: name.to_owned() })
    }

    /// `[channels, z, y, x]` of its output, from those made before.
    pub(super) fn shape(&self, known: &HashMap<&str, [usize; 4]>) -> Result<[usize; 4], SpecError> {
        let Some(first) = self.inputs.first() else {
            return Err(self.range("has no input"));
        };
        let mut shape = self.find(known, first)?;
        match &self.op {
            Op::Conv(conv) => self.conv_shape(known, conv, shape),
            _ if first == INPUT => Err(self.range("only a convolution reads the network's input")),
            Op::Norm(spec) if !(0.0..=1.0).contains(&spec.slope) => {
                Err(self.range("slope must be in 0..=1"))
            }
            Op::Norm(spec) => {
                self.check_norm(spec.norm)?;
                Ok(shape)
            }
            Op::MaxPool2 | Op::PlaneMaxPool2 => {
                let kind = self.op.pool().expect("both are pools");
                let [channels, z, y, x] = shape;
                let [z, y, x] = kind.out_size([z, y, x]);
                Ok([channels, z, y, x])
            }
            Op::Trilinear2 => Ok([shape[0], 2 * shape[1], 2 * shape[2], 2 * shape[3]]),
            Op::SumUp => {
                for name in &self.inputs[1..] {
                    let wanted = [shape[0], 2 * shape[1], 2 * shape[2], 2 * shape[3]];
                    self.expect(known, name, wanted)?;
                    shape = wanted;
                }
                Ok(shape)
            }
        }
    }

    fn conv_shape(
        &self,
        known: &HashMap<&str, [usize; 4]>,
        conv: &ConvSpec,
        [_, z, y, x]: [usize; 4],
    ) -> Result<[usize; 4], SpecError> {
        let reads_input = self.inputs.iter().any(|name| name == INPUT);
        for name in &self.inputs[1..] {
            let channels = self.find(known, name)?[0];
            self.expect(known, name, [channels, z, y, x])?;
        }
        if !(0.0..1.0).contains(&conv.dropout) {
            return Err(self.range("dropout must be at least 0 and below 1"));
        }
        if !(0.0..=1.0).contains(&conv.slope) || conv.out_channels == 0 {
            return Err(self.range("slope must be in 0..=1, and channels go out"));
        }
        let kind = conv.kind().ok_or_else(|| SpecError::Unsupported {
            block: self.name.clone(),
            kernel: conv.kernel,
            up: conv.up,
        })?;
        if reads_input && (self.inputs.len() > 1 || !stem::takes(kind)) {
            return Err(self.range(
                "what reads the network's input reads it alone, by a convolution of 3³ or 3 × 3",
            ));
        }
        if let Some(norm) = conv.norm {
            self.check_norm(norm)?;
        }
        let [z, y, x] = kind.out_size([z, y, x]);
        let shape = [conv.out_channels, z, y, x];
        if let Some(residual) = &conv.residual {
            self.expect(known, residual, shape)?;
        }
        Ok(shape)
    }

    fn check_norm(&self, norm: NormSpec) -> Result<(), SpecError> {
        let Statistics::Running { momentum } = norm.statistics else { return Ok(()) };
        if !(0.0..1.0).contains(&momentum) {
            return Err(self.range("momentum must be at least 0 and below 1"));
        }
        if norm.mode != NormMode::Variance {
            return Err(self.range("running statistics go with ε added to the variance"));
        }
        Ok(())
    }

    fn expect(
        &self,
        known: &HashMap<&str, [usize; 4]>,
        name: &str,
        wanted: [usize; 4],
    ) -> Result<(), SpecError> {
        let found = self.find(known, name)?;
        if found == wanted {
            return Ok(());
        }
        Err(SpecError::Shapes { block: self.name.clone(), input: name.to_owned(), found, wanted })
    }

    fn range(&self, what: &'static str) -> SpecError {
        SpecError::Range { block: self.name.clone(), what }
    }
}
