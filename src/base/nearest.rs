//! The nearest name: what somebody may have meant.

/// The candidate that begins with `name`, or else the one that is fewest letters away from it; `None` when all are so far
/// away that it would be a guess.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (name.chars().count() / 3).max(1) + 1;
    candidates
        .into_iter()
        .map(|candidate| (!candidate.starts_with(name), edit_distance(candidate, name), candidate))
        .filter(|(differs, distance, _)| !differs || *distance <= allowed)
        .min_by_key(|(differs, distance, _)| (*differs, *distance))
        .map(|(_, _, candidate)| candidate)
}

/// How many letters must be put in, left out or replaced to make one text of the other (Levenshtein).
pub fn edit_distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (index, left) in one.chars().enumerate() {
        let mut before = index + 1;
        let mut diagonal = index;
        for (right, cell) in other.chars().zip(row.iter_mut().skip(1)) {
            let above = *cell;
            *cell = (diagonal + usize::from(left != right)).min(above + 1).min(before + 1);
            (diagonal, before) = (above, *cell);
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_distance_counts_letters() {
        for (one, other, distance) in
            [("", "", 0), ("a", "", 1), ("", "ab", 2), ("kitten", "sitting", 3), ("listen", "listn", 1), ("é", "e", 1)]
        {
            assert_eq!(edit_distance(one, other), distance, "{one} {other}");
            assert_eq!(edit_distance(other, one), distance, "{other} {one}");
        }
    }

    #[test]
    fn what_is_far_from_everything_has_no_nearest_name() {
        let names = ["createclient", "createuser", "client", "key", "init"];
        for (typed, meant) in [
            ("creatclient", Some("createclient")),
            ("create-user", Some("createuser")),
            ("clients", Some("client")),
            ("keys", Some("key")),
            ("ini", Some("init")),
            ("createu", Some("createuser")),
            ("xyzzy", None),
        ] {
            assert_eq!(nearest(typed, names), meant, "{typed}");
        }
    }
}
