//! Which track gets which detection: minimum-cost assignment with a limit.
//!
//! What a cost means is the caller's matter.

/// A table of costs, one row a track and one column a detection.
///
/// A cost that is no finite number forbids the pair.
#[derive(Clone, Debug)]
pub(super) struct Costs {
    rows: usize,
    columns: usize,
    values: Vec<f64>,
}

impl Costs {
    /// Fills a table from a function of row and column.
    pub(super) fn from_fn(
        rows: usize,
        columns: usize,
        cost: impl Fn(usize, usize) -> f64 + Copy,
    ) -> Self {
        let values = (0..rows).flat_map(|row| (0..columns).map(move |column| cost(row, column)));
        Self { rows, columns, values: values.collect() }
    }

    /// One cost.
    pub(super) fn at(&self, row: usize, column: usize) -> f64 {
        self.values[row * self.columns + column]
    }

    /// The costs of a row.
    pub(super) fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.columns..(row + 1) * self.columns]
    }

    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }
}

/// For each row the column it gets, such that the sum of `cost - limit` over all pairs is as small
/// as it can be: what `lap.lapjv(costs, extend_cost=True, cost_limit=limit)` finds. `limit` is
/// finite.
///
/// No pair dearer than `limit` is made, and such pairs do not push others aside. (Assigning first
/// and dropping the dear pairs afterwards, as many ports do, makes other matches.) Of equally good
/// answers any may be returned.
///
/// Shortest augmenting paths with potentials (Jonker and Volgenant, "A shortest augmenting path
/// algorithm for dense and sparse linear assignment problems", Computing 38, 1987), with one
/// addition: each row has a column of its own that costs `limit` and means "stays alone". A path
/// may end there, so the search never looks further than `limit`, and tables with few near pairs,
/// the usual ones, are solved in little more than one look at every cost.
pub(super) fn assign(costs: &Costs, limit: f64) -> Vec<Option<usize>> {
    let mut search = Search::new(costs, limit);
    for row in 0..costs.rows {
        search.add(row);
    }
    search.column_of
}

/// The state between two augmentations: an optimal assignment of the rows so far.
struct Search<'a> {
    costs: &'a Costs,
    limit: f64,
    /// Potentials; `cost - of_row - of_column` is never negative, and 0 for the pairs made.
    of_row: Vec<f64>,
    of_column: Vec<f64>,
    /// The column that a row has, and the row that a column has.
    column_of: Vec<Option<usize>>,
    owner: Vec<Option<usize>>,
    /// Length of the shortest path to a column, and the row before it on that path.
    distance: Vec<f64>,
    before: Vec<usize>,
    reached: Vec<bool>,
}

impl<'a> Search<'a> {
    fn new(costs: &'a Costs, limit: f64) -> Self {
        let columns = costs.columns;
        Self {
            costs,
            limit,
            of_row: vec![0.0; costs.rows],
            of_column: vec![0.0; columns],
            column_of: vec![None; costs.rows],
            owner: vec![None; columns],
            distance: vec![0.0; columns],
            before: vec![0; columns],
            reached: vec![false; columns],
        }
    }

    /// Takes one more row into the assignment.
    fn add(&mut self, start: usize) {
        // The first potential makes the row's cheapest pair free, so that no length is negative.
        let cheapest = self.costs.row(start).iter().copied().filter(|cost| cost.is_finite());
        self.of_row[start] = cheapest.fold(self.limit, f64::min);
        self.distance.fill(f64::INFINITY);
        self.reached.fill(false);

        let (mut row, mut length) = (start, 0.0);
        let (mut alone, mut alone_length) = (start, f64::INFINITY);
        let end = loop {
            let to_alone = length + self.limit - self.of_row[row];
            if to_alone < alone_length {
                (alone, alone_length) = (row, to_alone);
            }
            let next = self.extend(row, length);
            let Some(next) = next.filter(|&next| self.distance[next] <= alone_length) else {
                break None;
            };
            self.reached[next] = true;
            let Some(owner) = self.owner[next] else { break Some(next) };
            (row, length) = (owner, self.distance[next]);
        };
        let length = end.map_or(alone_length, |column| self.distance[column]);
        self.shift_potentials(start, length);
        let end = end.or_else(|| self.leave(alone));
        self.flip(end);
    }

    /// Shortens the paths to the columns not reached yet by going over `row`; returns the column
    /// with the shortest one.
    fn extend(&mut self, row: usize, length: f64) -> Option<usize> {
        let base = length - self.of_row[row];
        let (mut nearest, mut least) = (None, f64::INFINITY);
        for (column, &cost) in self.costs.row(row).iter().enumerate() {
            if self.reached[column] {
                continue;
            }
            let through = base + cost - self.of_column[column];
            // No number compares as less, and infinity neither.
            if through < self.distance[column] && cost.is_finite() {
                self.distance[column] = through;
                self.before[column] = row;
            }
            if self.distance[column] < least {
                (nearest, least) = (Some(column), self.distance[column]);
            }
        }
        nearest
    }

    /// Makes the pairs on the shortest path free, and keeps those made before so.
    fn shift_potentials(&mut self, start: usize, length: f64) {
        self.of_row[start] += length;
        for column in 0..self.reached.len() {
            if let (true, Some(row)) = (self.reached[column], self.owner[column]) {
                let shift = length - self.distance[column];
                self.of_column[column] -= shift;
                self.of_row[row] += shift;
            }
        }
    }

    /// Lets a row stay alone. The column it had, if any, becomes the end of the path.
    fn leave(&mut self, alone: usize) -> Option<usize> {
        let column = self.column_of[alone].take()?;
        self.owner[column] = None;
        Some(column)
    }

    /// Gives each column on the path that ends at `end` to the row before it, which frees that
    /// row's old column; the row that the path starts from has none.
    fn flip(&mut self, end: Option<usize>) {
        let mut free = end;
        while let Some(column) = free {
            let row = self.before[column];
            self.owner[column] = Some(row);
            free = self.column_of[row].replace(column);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The smallest sum of `cost - limit` over all ways to pair rows with columns.
    fn best_by_trying_all(costs: &Costs, limit: f64, row: usize, used: u32) -> f64 {
        if row == costs.rows {
            return 0.0;
        }
        let mut best = best_by_trying_all(costs, limit, row + 1, used);
        for column in (0..costs.columns).filter(|column| used & (1 << column) == 0) {
            let gain = costs.at(row, column) - limit;
            if gain <= 0.0 {
                let rest = best_by_trying_all(costs, limit, row + 1, used | (1 << column));
                best = best.min(gain + rest);
            }
        }
        best
    }

    fn total(costs: &Costs, limit: f64, pairs: &[Option<usize>]) -> f64 {
        let made = pairs.iter().enumerate();
        made.filter_map(|(row, column)| column.map(|column| costs.at(row, column) - limit)).sum()
    }

    fn table(rows: usize, columns: usize, values: &[f64]) -> Costs {
        Costs::from_fn(rows, columns, |row, column| values[row * columns + column])
    }

    #[test]
    fn a_dear_pair_pushes_nobody_aside() {
        // Without the limit the first row would take the dear column to let the second match.
        let costs = table(2, 2, &[0.1, 0.85, 0.2, 1.0]);
        assert_eq!(assign(&costs, 0.8), [Some(0), None]);
        assert_eq!(assign(&costs, 10.0), [Some(1), Some(0)]);
    }

    #[test]
    fn nothing_to_assign() {
        assert!(assign(&table(0, 3, &[]), 0.8).is_empty());
        assert_eq!(assign(&table(2, 0, &[]), 0.8), [None, None]);
    }

    #[test]
    fn a_cost_at_the_limit_is_a_pair_and_no_number_is_none() {
        assert_eq!(assign(&table(1, 1, &[0.5]), 0.5), [Some(0)], "as lapjv has it");
        let forbidden = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.4];
        assert_eq!(assign(&table(1, 4, &forbidden), 0.5), [Some(3)]);
    }

    proptest! {
        #[test]
        fn as_good_as_trying_all(
            (rows, columns, values) in (0usize..6, 0usize..6).prop_flat_map(|(rows, columns)| {
                // Coarse values make ties, negative ones are what SORT's scores become.
                let cost = prop_oneof![
                    (-4i32..12).prop_map(|v| f64::from(v) / 8.0),
                    -1.0f64..1.5,
                ];
                (Just(rows), Just(columns), prop::collection::vec(cost, rows * columns))
            }),
            limit in prop_oneof![Just(0.5), Just(100.0), 0.0f64..1.2],
        ) {
            let costs = table(rows, columns, &values);
            let pairs = assign(&costs, limit);
            let mut columns: Vec<_> = pairs.iter().flatten().collect();
            columns.sort_unstable();
            columns.dedup();
            prop_assert_eq!(columns.len(), pairs.iter().flatten().count(), "a column has one row");
            for (row, column) in pairs.iter().enumerate() {
                prop_assert!(column.is_none_or(|column| costs.at(row, column) <= limit));
            }
            let best = best_by_trying_all(&costs, limit, 0, 0);
            prop_assert!((total(&costs, limit, &pairs) - best).abs() < 1e-9);
        }
    }
}
