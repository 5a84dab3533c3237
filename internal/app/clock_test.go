package app

import (
	"strings"
	"testing"
	"time"
)

func TestBootClock(t *testing.T) {
	none := func(string) string { return "" }
	clock, again := bootClock(none), bootClock(func(string) string { return "other" })
	a := clock()
	b := again()
	switch {
	case a.Boot == "" || a.Boot != b.Boot || strings.Contains(a.Boot, "-"):
		t.Errorf("boots %q and %q", a.Boot, b.Boot)
	case b.Since < a.Since || b.Since-a.Since > time.Minute || a.Since <= 0:
		t.Errorf("%s, and then %s", a.Since, b.Since)
	case time.Since(a.Wall).Abs() > time.Minute:
		t.Errorf("the wall clock says %s", a.Wall)
	}
}
