/*!
Metadata filters: `$eq`, `$ne`, `$gt`, `$gte`, `$lt`, `$lte`, `$in`, `$nin`, `$exists`, `$and`, `$or`.

Source: <https://docs.pinecone.io/guides/index-data/indexing-overview#metadata-filter-expressions>. A list of strings
equals a string that it holds. A field that a record lacks fits `$ne` and `$nin`. Filters nest no deeper than the JSON
parser allows (128).
*/

use serde_json::{Map, Value};

use crate::answer::{Outcome, Refusal};
use crate::limits::FILTER_VALUES;

/// A checked filter.
#[derive(Debug)]
pub(crate) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Field(String, Test),
}

#[derive(Debug)]
pub(crate) enum Test {
    Equal(Value),
    NotEqual(Value),
    Compare(Order, f64),
    In(Vec<Value>),
    NotIn(Vec<Value>),
    Exists(bool),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Filter {
    pub(crate) fn parse(filter: &Map<String, Value>) -> Outcome<Filter> {
        let mut all = Vec::new();
        for (key, value) in filter {
            match key.as_str() {
                "$and" => all.push(Filter::All(list(key, value)?)),
                "$or" => all.push(Filter::Any(list(key, value)?)),
                key if key.starts_with('$') => {
                    return Err(Refusal::invalid(format!("'{key}' is not a supported logical operator")));
                }
                field => match value {
                    Value::Object(tests) => {
                        if tests.is_empty() {
                            return Err(Refusal::invalid(format!("the filter of the field '{field}' is empty")));
                        }
                        for (operator, operand) in tests {
                            all.push(Filter::Field(field.to_owned(), Test::parse(operator, operand)?));
                        }
                    }
                    value => all.push(Filter::Field(field.to_owned(), Test::Equal(scalar("$eq", value)?))),
                },
            }
        }
        Ok(Filter::All(all))
    }

    /// Whether metadata, as it is kept, passes.
    pub(crate) fn passes(&self, metadata: &Map<String, Value>) -> bool {
        match self {
            Filter::All(filters) => filters.iter().all(|filter| filter.passes(metadata)),
            Filter::Any(filters) => filters.iter().any(|filter| filter.passes(metadata)),
            Filter::Field(field, test) => test.passes(metadata.get(field)),
        }
    }
}

impl Test {
    fn parse(operator: &str, operand: &Value) -> Outcome<Test> {
        let order = |order| match operand.as_f64() {
            Some(number) => Ok(Test::Compare(order, number)),
            None => {
                Err(Refusal::invalid(format!("the {operator} operator must be followed by a number, got {operand}")))
            }
        };
        match operator {
            "$eq" => Ok(Test::Equal(scalar(operator, operand)?)),
            "$ne" => Ok(Test::NotEqual(scalar(operator, operand)?)),
            "$gt" => order(Order::Greater),
            "$gte" => order(Order::GreaterOrEqual),
            "$lt" => order(Order::Less),
            "$lte" => order(Order::LessOrEqual),
            "$in" => Ok(Test::In(values(operator, operand)?)),
            "$nin" => Ok(Test::NotIn(values(operator, operand)?)),
            "$exists" => match operand {
                Value::Bool(wanted) => Ok(Test::Exists(*wanted)),
                other => {
                    Err(Refusal::invalid(format!("the $exists operator must be followed by a boolean, got {other}")))
                }
            },
            other => Err(Refusal::invalid(format!("'{other}' is not a supported filter operator"))),
        }
    }

    fn passes(&self, value: Option<&Value>) -> bool {
        match self {
            Test::Equal(wanted) => value.is_some_and(|value| equal(value, wanted)),
            Test::NotEqual(wanted) => !value.is_some_and(|value| equal(value, wanted)),
            Test::In(wanted) => value.is_some_and(|value| wanted.iter().any(|wanted| equal(value, wanted))),
            Test::NotIn(wanted) => !value.is_some_and(|value| wanted.iter().any(|wanted| equal(value, wanted))),
            Test::Exists(wanted) => value.is_some() == *wanted,
            Test::Compare(order, limit) => value.and_then(Value::as_f64).is_some_and(|number| match order {
                Order::Greater => number > *limit,
                Order::GreaterOrEqual => number >= *limit,
                Order::Less => number < *limit,
                Order::LessOrEqual => number <= *limit,
            }),
        }
    }
}

fn equal(kept: &Value, wanted: &Value) -> bool {
    match kept {
        Value::Number(_) => kept.as_f64() == wanted.as_f64(),
        Value::Array(values) => values.contains(wanted),
        other => other == wanted,
    }
}

fn list(operator: &str, value: &Value) -> Outcome<Vec<Filter>> {
    let refused = || Refusal::invalid(format!("the {operator} operator must be followed by a list of filters"));
    let Value::Array(filters) = value else { return Err(refused()) };
    if filters.is_empty() {
        return Err(refused());
    }
    filters.iter().map(|filter| filter.as_object().ok_or_else(refused).and_then(Filter::parse)).collect()
}

fn scalar(operator: &str, value: &Value) -> Outcome<Value> {
    match value {
        Value::String(_) | Value::Bool(_) | Value::Number(_) => Ok(value.clone()),
        other => Err(Refusal::invalid(format!(
            "the {operator} operator must be followed by a string, boolean or number, got {other}"
        ))),
    }
}

fn values(operator: &str, value: &Value) -> Outcome<Vec<Value>> {
    let Value::Array(values) = value else {
        return Err(Refusal::invalid(format!("the {operator} operator must be followed by a list, got {value}")));
    };
    if values.len() > FILTER_VALUES {
        return Err(Refusal::invalid(format!(
            "the {operator} operator takes at most {FILTER_VALUES} values, got {}",
            values.len()
        )));
    }
    values.iter().map(|value| scalar(operator, value)).collect()
}
