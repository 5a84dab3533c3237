package pxepilot

import (
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"720h": 720 * time.Hour, "1h30m": 90 * time.Minute, "90d": 90 * day, "1d": day, "0d": 0, "106751d": 106751 * day,
		"106752d": -1, "-1d": -1, "+1d": -1, "01d": -1, "1.5d": -1, "d": -1, "90": -1, "2y": -1, "": -1, "1d12h": -1, "99999999h": -1,
	} {
		if got, err := ParseDuration(text); (err == nil) != (want >= 0) || err == nil && got != want {
			t.Errorf("%q is %s (%v), want %s", text, got, err, want)
		}
	}
}
