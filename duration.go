package pxepilot

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads a time that people write: in the units of
// time.ParseDuration, such as 4h or 1h30m, or in days, such as 90d.
func ParseDuration(s string) (time.Duration, error) {
	const day = 24 * time.Hour
	days, isDays := strings.CutSuffix(s, "d")
	if !isDays {
		return time.ParseDuration(s)
	}
	n, err := strconv.ParseInt(days, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != days || n < 0 || n > int64(math.MaxInt64/day) {
		return 0, errors.New("not a number of days")
	}
	return time.Duration(n) * day, nil
}
