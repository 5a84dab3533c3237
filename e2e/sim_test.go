package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
)

// A BMC that others wrote starts and stops a real process for us, and another
// program sees the same.
func TestIpmiSim(t *testing.T) {
	site, sim := lab.NewSite(t), lab.NewSim(t, "sim-password")
	lab.Write(t, filepath.Join(filepath.Dir(site.File), "secrets", "bmc"), "sim-password\n")
	hosts := lab.Hosts(1, 2)
	hosts[0].Power = lab.IPMI(sim.At, "password_file: secrets/bmc")
	describe(t, site, hosts...)
	server := site.Serve(t)
	pilot := func(args ...string) string { return lab.PxePilot(t, append([]string{"-s", server.URL}, args...)...) }
	// both wants that we and others see the same.
	both := func(on bool) {
		t.Helper()
		word := map[bool]string{true: "On", false: "Off"}[on]
		if got := pilot("host", "status", "h1"); !strings.Contains(got, "| "+word+" ") {
			t.Errorf("want %s:\n%s", word, got)
		}
		if got := sim.Ipmitool(t, "chassis", "power", "status"); got != "Chassis Power is "+strings.ToLower(word) {
			t.Errorf("want %s: ipmitool says %q", word, got)
		}
		process := sim.Machine(t)
		if running := process != "" && runs(t, process); running != on {
			t.Errorf("want %s: the process %q runs: %v", word, process, running)
		}
	}

	both(false)
	pilot("host", "on", "h1")
	both(true)
	first := sim.Machine(t)
	pilot("host", "on", "h1") // which is no order: it is on
	pilot("host", "reboot", "h1")
	both(true)
	second := sim.Machine(t)
	pilot("config", "deploy", "install", "h1", "--now")
	both(true)
	if third := sim.Machine(t); first == second || second == third || runs(t, first) || runs(t, second) {
		t.Errorf("the machine was process %s, %s, and %s", first, second, third)
	}
	if got := sim.Next(t); got != "pxe" {
		t.Errorf("it boots %q next", got)
	}
	if got := lab.Read(t, site.Link(hosts[0].MACs[1])); got != contents["install"] {
		t.Errorf("it boots %q", got)
	}
	pilot("host", "off", "h1")
	both(false)
	pilot("config", "deploy", "local", "h1", "--now") // which turns on what is off
	both(true)
	want := []string{"power 1", "reset 1", "boot pxe", "reset 1", "power 0", "boot pxe", "power 1"}
	if diff := cmp.Diff(want, sim.Orders(t)); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}

	// What others do is seen, too.
	sim.Ipmitool(t, "chassis", "power", "off")
	both(false)
}

// runs says whether there is a process of that number that is not dead.
func runs(t *testing.T, process string) bool {
	t.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", process, "status")) // proc_pid_status(5)
	if os.IsNotExist(err) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	return !strings.Contains(string(status), "\nState:\tZ") && !strings.Contains(string(status), "\nState:\tX")
}
