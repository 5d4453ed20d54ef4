//! Date formatting, in UTC.

use std::time::Duration;

use jiff::civil::DateTime;

/// Formats a Unix time as `YYYYMMDD-HHMMSS`.
pub(crate) fn compact(seconds: u64) -> String {
    utc(seconds).strftime("%Y%m%d-%H%M%S").to_string()
}

/// Formats a Unix time as `YYYY-MM-DD HH:MM`.
pub fn readable(seconds: u64) -> String {
    utc(seconds).strftime("%Y-%m-%d %H:%M").to_string()
}

/// Converts a Unix time; times after the year 9999 are clamped.
fn utc(seconds: u64) -> DateTime {
    DateTime::constant(1970, 1, 1, 0, 0, 0, 0).saturating_add(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(compact(0), "19700101-000000");
        assert_eq!(compact(951_782_399), "20000228-235959");
        assert_eq!(compact(951_868_800), "20000301-000000");
        assert_eq!(compact(1_735_689_599), "20241231-235959");
        assert_eq!(compact(4_107_542_400), "21000301-000000");
        assert_eq!(readable(1_735_689_599), "2024-12-31 23:59");
        assert_eq!(readable(u64::MAX), "9999-12-31 23:59");
    }
}
