package power_test

import (
	"github.com/pxe-pilot/pxe-pilot/internal/power"
	"github.com/pxe-pilot/pxe-pilot/internal/power/powertest"
)

// What the suite tests is what this package drives machines with, and nothing
// else.
var (
	_ power.Controller     = powertest.Controller(nil)
	_ powertest.Controller = power.Controller(nil)
)
