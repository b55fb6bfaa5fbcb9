//! What a model computes on.

/// A kind of processor, as `--device` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// A CUDA GPU where ONNX Runtime can use one, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA GPU of this number.
    Cuda(i32),
    /// OpenVINO, on the device it calls so: `CPU`, `GPU`, `NPU`, `AUTO`.
    OpenVino(String),
}

impl Device {
    /// Reads `auto`, `cpu`, `cuda`, `cuda:1`, `openvino` or `openvino:GPU`.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, which) = match text.split_once(':') {
            Some((kind, which)) => (kind, Some(which)),
            None => (text, None),
        };
        match (kind, which) {
            ("auto", None) => Some(Self::Auto),
            ("cpu", None) => Some(Self::Cpu),
            ("cuda", None) => Some(Self::Cuda(0)),
            ("cuda", Some(number)) => {
                number.parse().ok().filter(|n| (0..1024).contains(n)).map(Self::Cuda)
            }
            ("openvino", None) => Some(Self::OpenVino("CPU".into())),
            ("openvino", Some(which)) => {
                let plain = |c: char| c.is_ascii_alphanumeric() || "_.:,".contains(c);
                let fine = !which.is_empty() && which.len() < 64 && which.chars().all(plain);
                fine.then(|| Self::OpenVino(which.to_uppercase()))
            }
            _ => None,
        }
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => write!(f, "auto"),
            Self::Cpu => write!(f, "cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::OpenVino(which) => write!(f, "openvino:{which}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_whole_or_not_at_all() {
        for (text, shown) in [
            ("auto", "auto"),
            ("cpu", "cpu"),
            ("cuda", "cuda:0"),
            ("cuda:2", "cuda:2"),
            ("openvino", "openvino:CPU"),
            ("openvino:gpu", "openvino:GPU"),
        ] {
            assert_eq!(Device::parse(text).unwrap().to_string(), shown);
        }
        for text in ["", "gpu", "cuda:", "cuda:-1", "cpu:0", "openvino:", "openvino:a b"] {
            assert_eq!(Device::parse(text), None, "{text}");
        }
    }
}
