//! stub
#[derive(Debug, Clone)]
/// clock
pub struct Clock;
impl Clock {
    /// now
    pub fn now(&self) -> std::time::SystemTime {
        std::time::SystemTime::now()
    }
}
