package lab

import (
	"os/exec"
	"testing"

	"github.com/pxe-pilot/pxe-pilot/internal/neighbour/lantest"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// A LAN is a small network, in the near end of which programs run.
type LAN struct{ *lantest.LAN }

// NewLAN makes a network.
func NewLAN(t testing.TB) *LAN {
	t.Helper()
	NeedNamespaces(t)
	testenv.Need(t, "ip")
	// Where ip(8) notes the names of networks, which it must not share with those
	// who count processes differently.
	Mount(t, "tmpfs", "/run/netns", "")
	return &LAN{lantest.New(t)}
}

// Start is StartCommand in the near end.
func (l *LAN) Start(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	return startBy(t, cmd, func() (err error) {
		l.Do(func() { err = cmd.Start() })
		return err
	})
}

// Output is Output in the near end.
func (l *LAN) Output(t testing.TB, name string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	return outputBy(t, cmd, func() (err error) {
		l.Do(func() { err = cmd.Run() })
		return err
	})
}
