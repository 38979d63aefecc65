//! The outputs of a network.

/// Name and shape of one output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputInfo {
    /// The name in the ONNX file.
    pub name: String,
    /// Its dimensions for the fixed input shape.
    pub shape: Vec<usize>,
}

/// One output of one run.
#[derive(Debug, Clone, Copy)]
pub struct Output<'a> {
    /// Its dimensions.
    pub shape: &'a [usize],
    /// Its elements, the last dimension innermost.
    pub data: &'a [f32],
}
