//! One value of MySQL's binary protocol.

use chrono::NaiveDate;
use diesel::deserialize::FromSql;
use diesel::mysql::data_types::MysqlTime;
use diesel::mysql::{Mysql, MysqlType, MysqlValue};
use diesel::sql_types::Datetime;

use crate::builder::{Decimal, Value};

/// Reads one value and hands it on.
pub(super) fn with_value<R>(value: &MysqlValue<'_>, take: impl FnOnce(Value<'_>) -> R) -> R {
    let bytes = value.as_bytes();
    macro_rules! number {
        ($type:ty, $make:expr) => {
            match bytes.first_chunk() {
                Some(bytes) => take($make(<$type>::from_ne_bytes(*bytes))),
                None => take(Value::Other("a value shorter than its type is")),
            }
        };
    }
    match value.value_type() {
        MysqlType::Tiny => number!(i8, |v| Value::Integer(i64::from(v))),
        MysqlType::UnsignedTiny => number!(u8, |v| Value::Integer(i64::from(v))),
        MysqlType::Short => number!(i16, |v| Value::Integer(i64::from(v))),
        MysqlType::UnsignedShort => number!(u16, |v| Value::Integer(i64::from(v))),
        MysqlType::Long => number!(i32, |v| Value::Integer(i64::from(v))),
        MysqlType::UnsignedLong => number!(u32, |v| Value::Integer(i64::from(v))),
        MysqlType::LongLong => number!(i64, Value::Integer),
        MysqlType::UnsignedLongLong => number!(u64, |v| match i64::try_from(v) {
            Ok(v) => Value::Integer(v),
            Err(_) => Value::Other("integer beyond 2^63"),
        }),
        MysqlType::Float => number!(f32, |v| Value::Real(f64::from(v))),
        MysqlType::Double => number!(f64, Value::Real),
        MysqlType::Numeric => {
            let decimal = std::str::from_utf8(bytes).ok().and_then(Decimal::parse);
            take(decimal.as_ref().map_or(Value::Other("decimal of more than 38 digits"), Value::Decimal))
        }
        MysqlType::Date | MysqlType::DateTime | MysqlType::Timestamp => {
            let whole = value.value_type() == MysqlType::Date;
            let time = <MysqlTime as FromSql<Datetime, Mysql>>::from_sql(value.clone());
            take(time.ok().and_then(|time| moment(&time, whole)).unwrap_or(Value::Other("date with zeros")))
        }
        MysqlType::String | MysqlType::Blob | MysqlType::Enum | MysqlType::Set => take(Value::Text(bytes)),
        _ => take(Value::Other("a value of a type that is not read")),
    }
}

fn moment(time: &MysqlTime, whole: bool) -> Option<Value<'static>> {
    let day = NaiveDate::from_ymd_opt(i32::try_from(time.year).ok()?, time.month, time.day)?;
    if whole {
        return Some(Value::Date(day.to_epoch_days()));
    }
    let micros = u32::try_from(time.second_part).ok()?;
    let moment = day.and_hms_micro_opt(time.hour, time.minute, time.second, micros)?;
    Some(Value::Timestamp(moment.and_utc().timestamp_micros()))
}
