package neighbour

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/pxe-pilot/pxe-pilot/internal/neighbour/lantest"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// sweepVariable makes the test program sweep and nothing else: so a sweep can
// run with fewer privileges than the test has.
const sweepVariable = "PXE_PILOT_TEST_SWEEP"

func TestMain(m *testing.M) {
	if request := os.Getenv(sweepVariable); request != "" {
		if err := sweepAlone(request); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	// Made before any test forks: a program that some child still has open for
	// writing cannot be run.
	dir, err := copyProgram()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// program is the test program, where anybody may run it.
var program string

func copyProgram() (dir string, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	data, err := os.ReadFile(self)
	if err != nil {
		return "", err
	}
	if dir, err = os.MkdirTemp("", "neighbour"); err != nil {
		return "", err
	}
	program = filepath.Join(dir, "sweep")
	return dir, errors.Join(os.Chmod(dir, 0o755), os.WriteFile(program, data, 0o755))
}

// written is a report that JSON carries.
type written struct {
	SubnetReport
	Err string // in place of the error
}

func sweepAlone(request string) error {
	var r Request
	if err := json.Unmarshal([]byte(request), &r); err != nil {
		return err
	}
	reports, err := Sweep(context.Background(), r)
	if err = errors.Join(err, goleak.Find()); err != nil {
		return err
	}
	var all []written
	for _, r := range reports {
		w := written{SubnetReport: r}
		if r.Err != nil {
			w.Err = r.Err.Error()
		}
		all = append(all, w)
	}
	return json.NewEncoder(os.Stdout).Encode(all)
}

// sweepAs sweeps in the near namespace of a LAN with some privilege.
func sweepAs(t *testing.T, l *lantest.LAN, p lantest.Privilege, r Request) []written {
	t.Helper()
	request, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	// The race detector rests for a second before a program ends, unless told.
	out, err := l.Run(p, []string{sweepVariable + "=" + string(request), "GORACE=atexit_sleep_ms=0"}, program)
	if err != nil {
		t.Fatal(err)
	}
	var all []written
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return all
}

// lan makes a LAN, where the machine that the test runs on can.
func lan(t *testing.T) *lantest.LAN {
	t.Helper()
	testenv.NeedRoot(t)
	testenv.Need(t, "ip")
	return lantest.New(t)
}

// sweepIn sweeps in the near namespace of a LAN, as root.
func sweepIn(t *testing.T, l *lantest.LAN, r Request) []SubnetReport {
	t.Helper()
	var reports []SubnetReport
	var err error
	l.Do(func() { reports, err = Sweep(t.Context(), r) })
	if err != nil {
		t.Fatal(err)
	}
	return reports
}
