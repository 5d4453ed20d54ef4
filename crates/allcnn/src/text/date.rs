//! Times as people read them, in UTC.

/// `YYYYMMDD-HHMMSS` of a Unix time.
pub(crate) fn compact(seconds: u64) -> String {
    let Date { year, month, day, hour, minute, second } = Date::of(seconds);
    format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
}

/// `YYYY-MM-DD HH:MM` of a Unix time.
pub(crate) fn readable(seconds: u64) -> String {
    let Date { year, month, day, hour, minute, .. } = Date::of(seconds);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}")
}

struct Date {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Date {
    /// Of a Unix time (Hinnant, "chrono-compatible low-level date algorithms"); of one beyond the year 9999 the last.
    fn of(seconds: u64) -> Self {
        let seconds = seconds.min(253_402_300_799);
        let (days, time) = (seconds / 86_400, seconds % 86_400);
        let shifted = days + 719_468; // days since 0000-03-01
        let (era, of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        Self { year, month, day, hour: time / 3600, minute: time / 60 % 60, second: time % 60 }
    }
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
