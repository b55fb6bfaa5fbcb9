//! From an output back to the operators that compute its columns, through those that only move
//! values: what a shape can't tell, such as whether a sigmoid follows the scores.

use super::graph::{Graph, Node};

/// Neighbouring columns of an output that one operator computes.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Number of columns, where it is known.
    pub width: Option<usize>,
    /// What computes them.
    pub by: Maker,
}

/// The kinds of operator that compute values.
#[derive(Clone, Debug, PartialEq)]
pub enum Maker {
    /// A sigmoid: values of 0 to 1, each by itself.
    Sigmoid,
    /// A softmax: values of 0 to 1 whose sum is 1.
    Softmax,
    /// A convolution or matrix product: no function follows the last layer.
    Linear,
    /// A constant, all of whose values are this one where they are equal.
    Constant(Option<f64>),
    /// The place of a value: `ArgMax`, `TopK`.
    Index,
    /// Arithmetic, with the number that all values are multiplied with last.
    Arithmetic(Option<f64>),
    /// Anything else.
    Unknown,
}

/// A side of a tensor, counted from the first or from the last.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Axis {
    Start(usize),
    End(usize),
}

/// Most values that are looked at: a damaged file may run in circles, and paths may fork.
const BUDGET: usize = 2000;

/// Operators that move or pack values and leave them what they are.
const PACKING: [&str; 6] =
    ["Cast", "Clip", "DequantizeLinear", "Identity", "QuantizeLinear", "Dropout"];

impl Graph {
    /// The columns of an output of `sides` whose columns are the side `axis`, in their order;
    /// `None` where they cannot be followed.
    pub fn columns(&self, output: &str, axis: usize, sides: usize) -> Option<Vec<Part>> {
        let mut budget = BUDGET;
        let start = if axis + 1 == sides { Axis::End(0) } else { Axis::Start(axis) };
        let parts = self.parts(output, start, &mut budget);
        parts.iter().all(|part| part.by != Maker::Unknown).then_some(parts)
    }

    /// What computes all values of an output, where it is one kind of operator.
    pub fn computed_by(&self, output: &str) -> Maker {
        self.uniform(output, &mut BUDGET.clone())
    }

    fn uniform(&self, value: &str, budget: &mut usize) -> Maker {
        const MOVING: [&str; 10] = [
            "Flatten",
            "Gather",
            "GatherElements",
            "Reshape",
            "Resize",
            "Slice",
            "Split",
            "Squeeze",
            "Transpose",
            "Unsqueeze",
        ];
        let Some((node, place)) = self.step(value, budget) else { return self.fixed(value) };
        match node.op.as_str() {
            op if PACKING.contains(&op) || MOVING.contains(&op) => {
                self.uniform(input(node, 0), budget)
            }
            "Concat" => {
                let mut makers = node.inputs.iter().map(|input| self.uniform(input, budget));
                let first = makers.next().unwrap_or(Maker::Unknown);
                if makers.all(|maker| maker == first) { first } else { Maker::Unknown }
            }
            _ => self.own(node, place),
        }
    }

    /// The operator behind a value, while there is budget left.
    fn step(&self, value: &str, budget: &mut usize) -> Option<(&Node, usize)> {
        *budget = budget.checked_sub(1)?;
        self.maker(value).filter(|(node, _)| node.op != "Constant")
    }

    fn fixed(&self, value: &str) -> Maker {
        match self.constant(value).map(|constant| constant.values.as_deref()) {
            Some(Some([first, rest @ ..])) => {
                Maker::Constant(rest.iter().all(|v| v == first).then_some(*first))
            }
            Some(_) => Maker::Constant(None),
            None => Maker::Unknown,
        }
    }

    /// The kind of an operator that does not merely move values.
    fn own(&self, node: &Node, place: usize) -> Maker {
        let is_constant = |i: usize| self.constant(input(node, i)).is_some();
        match node.op.as_str() {
            "Sigmoid" | "HardSigmoid" => Maker::Sigmoid,
            "Softmax" => Maker::Softmax,
            "Conv" | "ConvTranspose" | "Gemm" | "MatMul" | "QLinearConv" | "QLinearMatMul"
            | "BatchNormalization" | "LayerNormalization" => Maker::Linear,
            "ArgMax" | "ArgMin" | "NonZero" | "Mod" => Maker::Index,
            "TopK" if place == 1 => Maker::Index,
            "ConstantOfShape" => Maker::Constant(None),
            "Expand" if is_constant(0) => self.fixed(input(node, 0)),
            "Add" if self.is_bias(node) => Maker::Linear,
            "Mul" | "Div" => {
                let by = |i: usize| self.constant(input(node, i)).and_then(|c| c.scalar());
                let factor = match node.op.as_str() {
                    "Div" => by(1).map(|divisor| 1.0 / divisor),
                    _ => by(1).or_else(|| by(0)),
                };
                Maker::Arithmetic(factor)
            }
            "Add" | "Sub" | "Exp" | "Pow" | "Sqrt" | "Neg" | "Max" | "Min" | "Mean"
            | "ReduceMean" | "ReduceMax" | "ReduceSum" | "Sum" => Maker::Arithmetic(None),
            _ => Maker::Unknown,
        }
    }

    /// Whether an addition adds the constant bias of a matrix product.
    fn is_bias(&self, node: &Node) -> bool {
        (0..2).any(|i| {
            let product = self.maker(input(node, i)).map(|(node, _)| node.op.as_str());
            matches!(product, Some("MatMul" | "Conv"))
                && self.constant(input(node, 1 - i)).is_some()
        })
    }

    fn parts(&self, value: &str, axis: Axis, budget: &mut usize) -> Vec<Part> {
        let Some((node, place)) = self.step(value, budget) else {
            let sides = self.constant(value).map(|constant| constant.sides.as_slice());
            let width = sides.and_then(|sides| axis.of(sides.len()).map(|at| sides[at]));
            return vec![Part { width, by: self.fixed(value) }];
        };
        let data = input(node, 0);
        let unknown = || vec![Part { width: None, by: Maker::Unknown }];
        match node.op.as_str() {
            op if PACKING.contains(&op) => self.parts(data, axis, budget),
            "Concat" => {
                let along = node.int("axis").unwrap_or(0);
                match axis.is(along) {
                    Some(true) => {
                        let of = |input: &String| self.parts(input, axis, budget);
                        node.inputs.iter().flat_map(of).collect()
                    }
                    Some(false) => {
                        let mut all = node.inputs.iter().map(|i| self.parts(i, axis, budget));
                        let first = all.next().unwrap_or_default();
                        let same = all.all(|parts| {
                            parts.len() == first.len()
                                && parts.iter().zip(&first).all(|(a, b)| a.by == b.by)
                        });
                        if same { first } else { unknown() }
                    }
                    None => unknown(),
                }
            }
            // Boxes may be decoded in place: what was the layer's is then computed.
            "ScatterND" => {
                let mut parts = self.parts(data, axis, budget);
                let computed = self.constant(input(node, 2)).is_none();
                match parts.first_mut() {
                    Some(boxes) if computed && boxes.width == Some(4) => {
                        boxes.by = Maker::Arithmetic(None);
                        parts
                    }
                    _ => unknown(),
                }
            }
            _ => match self.moved(node, axis) {
                Some(Moved::Same(axis)) => {
                    let parts = self.parts(data, axis, budget);
                    match self.declared(node) {
                        // Sides were joined: what was one of them says nothing of the whole.
                        Some(width) if total(&parts).is_some_and(|found| found != width) => {
                            let by = only(&parts).unwrap_or(Maker::Unknown);
                            vec![Part { width: Some(width), by }]
                        }
                        Some(width) if parts.len() == 1 => {
                            vec![Part { width: Some(width), by: parts[0].by.clone() }]
                        }
                        _ => parts,
                    }
                }
                Some(Moved::Cut) => {
                    let parts = self.parts(data, axis, budget);
                    let cut = self.cut(node, place).or_else(|| self.slice(node, &parts));
                    let cut = cut.and_then(|cut| cut.of(&parts));
                    cut.or_else(|| Some(vec![Part { width: None, by: only(&parts)? }]))
                        .unwrap_or_else(unknown)
                }
                None => {
                    let width = self.width(node, axis, budget);
                    vec![Part { width, by: self.own(node, place) }]
                }
            },
        }
    }

    /// The columns that a `Reshape` to `[1, columns, rows]` declares.
    fn declared(&self, node: &Node) -> Option<usize> {
        let sides = self.shape(input(node, 1)).filter(|sides| {
            node.op == "Reshape" && sides.len() == 3 && sides[2].is_none_or(|side| side < 1)
        })?;
        sides[1].and_then(|side| usize::try_from(side).ok()).filter(|side| *side > 0)
    }

    /// The columns that one output of a `Split` takes.
    fn cut(&self, node: &Node, place: usize) -> Option<Cut> {
        let attribute = node.list("split").map(<[i64]>::to_vec);
        let sizes = attribute.or_else(|| self.numbers(input(node, 1)))?;
        let sizes: Option<Vec<usize>> =
            sizes.iter().map(|size| usize::try_from(*size).ok()).collect();
        let sizes = sizes.filter(|sizes| node.op == "Split" && place < sizes.len())?;
        let first = sizes[..place].iter().sum();
        Some(Cut { first, width: sizes[place], total: sizes.iter().sum() })
    }

    /// The columns that a `Slice` takes of columns whose number is known.
    fn slice(&self, node: &Node, parts: &[Part]) -> Option<Cut> {
        let of = |name: &str, i: usize| {
            let attribute = node.list(name).map(<[i64]>::to_vec);
            attribute.or_else(|| self.numbers(input(node, i)))
        };
        let (starts, ends) = (of("starts", 1)?, of("ends", 2)?);
        let (&[start], &[end]) = (starts.as_slice(), ends.as_slice()) else { return None };
        let steps = self.numbers(input(node, 4)).is_none_or(|steps| steps == [1]);
        let total = total(parts).filter(|_| node.op == "Slice" && steps)?;
        let place = |at: i64| match usize::try_from(at) {
            Ok(at) => at.min(total),
            Err(_) => total.saturating_sub(at.unsigned_abs() as usize),
        };
        let (first, end) = (place(start), place(end));
        Some(Cut { first, width: end.saturating_sub(first), total })
    }

    /// Where the columns lie before an operator that moves values.
    fn moved(&self, node: &Node, axis: Axis) -> Option<Moved> {
        let at = |axis: i64| match axis.is_negative() {
            true => Axis::End((-1 - axis) as usize),
            false => Axis::Start(axis as usize),
        };
        match node.op.as_str() {
            "Transpose" => {
                let order = node.list("perm")?;
                let from = *order.get(axis.of(order.len())?)?;
                Some(Moved::Same(at(from).counted_from_first(order.len())))
            }
            "Reshape" => {
                let sides = self.shape(input(node, 1))?;
                let index = axis.of(sides.len())?;
                match (index, index + 1 == sides.len()) {
                    (1, false) if sides.len() == 3 => Some(Moved::Same(Axis::Start(1))),
                    (_, true) if sides[index].is_some_and(|side| side > 0) => {
                        Some(Moved::Same(Axis::End(0)))
                    }
                    _ => None,
                }
            }
            "Squeeze" | "Unsqueeze" => {
                let attribute = node.list("axes").map(<[i64]>::to_vec);
                let axes = attribute.or_else(|| self.numbers(input(node, 1)))?;
                let &[which @ 0..=i64::MAX] = axes.as_slice() else { return None };
                let (which, added) = (which as usize, node.op == "Unsqueeze");
                Some(Moved::Same(match axis {
                    Axis::Start(i) if added && i > which => Axis::Start(i - 1),
                    Axis::Start(i) if !added && i >= which => Axis::Start(i + 1),
                    same => same,
                }))
            }
            "Gather" | "GatherElements" | "Split" | "TopK" => {
                let usual = if node.op == "TopK" { -1 } else { 0 };
                let along = node.int("axis").unwrap_or(usual);
                Some(if axis.is(along)? { Moved::Cut } else { Moved::Same(axis) })
            }
            "GatherND" | "Resize" => Some(Moved::Same(axis)),
            "Slice" => {
                let attribute = node.list("axes").map(<[i64]>::to_vec);
                let axes = attribute.or_else(|| self.numbers(input(node, 3)))?;
                let along = axes.iter().map(|along| axis.is(*along)).collect::<Option<Vec<_>>>()?;
                Some(if along.contains(&true) { Moved::Cut } else { Moved::Same(axis) })
            }
            _ => None,
        }
        .filter(|_| node.op != "TopK" || node.outputs.len() < 3)
    }

    /// Number of columns that an operator computes.
    fn width(&self, node: &Node, axis: Axis, budget: &mut usize) -> Option<usize> {
        let side = |i: usize, side: usize| {
            self.constant(input(node, i)).and_then(|weight| weight.sides.get(side).copied())
        };
        match node.op.as_str() {
            "Conv" => side(1, 0),
            "MatMul" => self.constant(input(node, 1)).and_then(|w| w.sides.last().copied()),
            "Gemm" => side(2, 0),
            "Add" | "Sub" | "Mul" | "Div" => {
                let data = (0..2).find(|i| self.constant(input(node, *i)).is_none())?;
                total(&self.parts(input(node, data), axis, budget))
            }
            "Sigmoid" | "HardSigmoid" | "Softmax" | "Exp" | "Clip" => {
                total(&self.parts(input(node, 0), axis, budget))
            }
            _ => None,
        }
    }

    /// The whole numbers of a constant.
    fn numbers(&self, name: &str) -> Option<Vec<i64>> {
        let values = self.constant(name)?.values.as_ref()?;
        Some(values.iter().map(|value| *value as i64).collect())
    }

    /// The sides that a `Reshape` is given, those that depend on the input open.
    fn shape(&self, name: &str) -> Option<Vec<Option<i64>>> {
        if let Some(sides) = self.numbers(name) {
            return Some(sides.into_iter().map(Some).collect());
        }
        let (node, _) = self.maker(name).filter(|(node, _)| node.op == "Concat")?;
        let mut sides = Vec::new();
        for part in &node.inputs {
            match self.numbers(part) {
                Some(known) => sides.extend(known.into_iter().map(Some)),
                None => sides.push(None),
            }
        }
        Some(sides)
    }
}

/// Effect of an operator that moves values.
enum Moved {
    /// The columns are this side of what it takes.
    Same(Axis),
    /// It takes some of the columns.
    Cut,
}

/// Columns that are cut out of others.
struct Cut {
    first: usize,
    width: usize,
    total: usize,
}

impl Cut {
    /// The parts of the columns; `None` where their widths are not known.
    fn of(&self, parts: &[Part]) -> Option<Vec<Part>> {
        let known: usize = parts.iter().filter_map(|part| part.width).sum();
        let open = parts.iter().filter(|part| part.width.is_none()).count();
        let rest = self.total.checked_sub(known).filter(|rest| open == 1 || *rest == 0)?;
        let (mut start, end) = (0, self.first + self.width);
        let mut taken = Vec::new();
        for part in parts {
            let stop = start + part.width.unwrap_or(rest);
            let width = stop.min(end).saturating_sub(start.max(self.first));
            if width > 0 {
                taken.push(Part { width: Some(width), by: part.by.clone() });
            }
            start = stop;
        }
        Some(taken)
    }
}

/// The maker that all parts share.
fn only(parts: &[Part]) -> Option<Maker> {
    let (first, rest) = parts.split_first()?;
    rest.iter().all(|part| part.by == first.by).then(|| first.by.clone())
}

impl Axis {
    /// Index among so many sides.
    fn of(self, sides: usize) -> Option<usize> {
        match self {
            Self::Start(i) => (i < sides).then_some(i),
            Self::End(i) => sides.checked_sub(i + 1),
        }
    }

    /// Whether it is the side that an attribute names; `None` where that depends on the number of
    /// sides.
    fn is(self, named: i64) -> Option<bool> {
        match (self, usize::try_from(named)) {
            (Self::Start(i), Ok(named)) => Some(i == named),
            (Self::End(i), Err(_)) => Some(i as i64 == -1 - named),
            // Columns at the end are never the batch, and the first side of rows is none of them.
            (Self::End(_), Ok(0)) => Some(false),
            // Tables of rows have three sides, but for the moments in which they are maps.
            (Self::End(0), Ok(named)) => Some(named > 1),
            (Self::Start(1), Err(_)) => Some(named == -2),
            _ => None,
        }
    }

    /// The same side, counted from the first of so many.
    fn counted_from_first(self, sides: usize) -> Self {
        match self.of(sides) {
            Some(i) if i + 1 < sides => Self::Start(i),
            Some(_) => Self::End(0),
            None => self,
        }
    }
}

fn input(node: &Node, i: usize) -> &str {
    node.inputs.get(i).map_or("", String::as_str)
}

fn total(parts: &[Part]) -> Option<usize> {
    parts.iter().map(|part| part.width).sum()
}
