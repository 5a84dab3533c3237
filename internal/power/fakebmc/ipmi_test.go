package fakebmc_test

import (
	"bytes"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/power/fakebmc"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A client that knows nothing of this program finds a BMC: ipmitool, by the
// cipher suites that BMCs have.
func TestIpmitool(t *testing.T) {
	testenv.Need(t, "ipmitool")
	for _, suite := range []int{3, 17} {
		t.Run(strconv.Itoa(suite), func(t *testing.T) {
			var m fakebmc.Machine
			b := start(t, fakebmc.Account{User: "demo", Password: pxepilot.NewSecret("tool-secret"), Suites: []int{suite}}, &m)
			tool := func(args ...string) string {
				t.Helper()
				cmd := exec.CommandContext(t.Context(), "ipmitool", append([]string{
					"-I", "lanplus", "-C", strconv.Itoa(suite), "-N", "1", "-R", "1", "-U", "demo", "-E",
					"-H", b.Addr().Addr().String(), "-p", strconv.Itoa(int(b.Addr().Port())),
				}, args...)...)
				cmd.Env = append(cmd.Environ(), "IPMI_PASSWORD=tool-secret")
				var out bytes.Buffer
				cmd.Stdout, cmd.Stderr = &out, &out
				if err := cmd.Run(); err != nil {
					t.Errorf("ipmitool %v: %v: %s", args, err, &out)
				}
				return strings.TrimSpace(out.String())
			}
			if got := tool("chassis", "power", "status"); got != "Chassis Power is off" {
				t.Errorf("status = %q", got)
			}
			tool("chassis", "bootdev", "pxe", "options=efiboot")
			if diff := cmp.Diff(fakebmc.Override{Device: pxepilot.BootPXE, Firmware: pxepilot.UEFI}, m.Next()); diff != "" {
				t.Errorf("override (-want +got):\n%s", diff)
			}
			tool("chassis", "power", "on")
			if !m.On() || m.Booted().Device != pxepilot.BootPXE || m.Next().Device != "" {
				t.Errorf("on %v, booted %+v, next %+v", m.On(), m.Booted(), m.Next())
			}
			tool("chassis", "power", "cycle")
			want := []pxepilot.PowerAction{pxepilot.ActionOn, pxepilot.ActionCycle}
			if diff := cmp.Diff(want, m.Actions()); diff != "" {
				t.Errorf("actions (-want +got):\n%s", diff)
			}
			if n := b.Sessions(); n != 0 {
				t.Errorf("%d sessions are left", n)
			}
		})
	}
}

func start(t *testing.T, a fakebmc.Account, m *fakebmc.Machine) *fakebmc.IPMI {
	t.Helper()
	b, err := fakebmc.StartIPMI("127.0.0.1:0", a, m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return b
}

func TestStartIPMIErrors(t *testing.T) {
	for _, tt := range []struct {
		addr   string
		suites []int
		want   string
	}{
		{"nowhere:623", nil, "fake BMC: ParseAddr"},
		{"127.0.0.1:0", []int{18}, "fake BMC: cipher suite 18 is unknown"},
		{"192.0.2.1:0", nil, "fake BMC: listen udp 192.0.2.1:0"},
	} {
		_, err := fakebmc.StartIPMI(tt.addr, fakebmc.Account{User: "u", Suites: tt.suites}, new(fakebmc.Machine))
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("StartIPMI(%q, %v) = %v, want %q", tt.addr, tt.suites, err, tt.want)
		}
	}
}
