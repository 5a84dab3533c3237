package e2e

import (
	"testing"

	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }
