package ipmi_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/power/ipmi"
	"github.com/pxe-pilot/pxe-pilot/internal/power/powertest"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// A sim is OpenIPMI's ipmi_sim, a BMC that others wrote, in front of a machine
// that is a process (testdata/chassis).
type sim struct {
	t   *testing.T
	dir string
	at  netip.AddrPort

	mu  sync.Mutex
	bmc *exec.Cmd
}

// newSim starts a BMC on a loopback address.
func newSim(t *testing.T) *sim {
	t.Helper()
	testenv.Need(t, "ipmi_sim")
	s := &sim{t: t, dir: t.TempDir(), at: freePort(t)}
	script, err := filepath.Abs("testdata/chassis")
	if err != nil {
		t.Fatal(err)
	}
	s.write("lan.conf", fmt.Sprintf(`name "machine"
set_working_mc 0x20
  startlan 1
    addr %s %d
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "%s %s 0x20"
  user 1 true "" "nobody" user 10 none md2 md5 straight
  user 2 true "%s" "%s" admin 10 none md2 md5 straight
  user 3 true "looker" "%[6]s" user 10 none md2 md5 straight
`, s.at.Addr(), s.at.Port(), script, s.dir, user, powertest.Password))
	s.write("sim.emu", `mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
mc_enable 0x20
`)
	t.Cleanup(func() {
		s.stop()
		s.press(false)
	})
	s.start()
	return s
}

func (s *sim) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Error(err)
	}
}

func (s *sim) read(name string) string {
	b, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil && !os.IsNotExist(err) {
		s.t.Error(err)
	}
	return strings.TrimSpace(string(b))
}

// start starts the BMC and waits until it answers a ping (section 13.2.3).
func (s *sim) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := filepath.Join(s.dir, "state")
	if err := os.MkdirAll(state, 0o700); err != nil {
		s.t.Error(err)
		return
	}
	s.bmc = exec.Command("ipmi_sim", "-c", filepath.Join(s.dir, "lan.conf"), "-f", filepath.Join(s.dir, "sim.emu"), "-s", state, "-n")
	var out bytes.Buffer
	s.bmc.Stdout, s.bmc.Stderr = &out, &out
	if err := s.bmc.Start(); err != nil {
		s.t.Error(err)
		return
	}
	conn, err := net.Dial("udp", s.at.String())
	if err != nil {
		s.t.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	ping := []byte{0x06, 0, 0xff, 0x06, 0, 0, 0x11, 0xbe, 0x80, 1, 0, 0}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); <-tick.C {
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		_, _ = conn.Write(ping)
		if n, err := conn.Read(make([]byte, 64)); err == nil && n > 0 {
			return
		}
	}
	s.t.Error("ipmi_sim does not answer")
}

func (s *sim) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bmc != nil && s.bmc.Process != nil {
		_ = s.bmc.Process.Kill()
		_ = s.bmc.Wait()
		s.bmc = nil
	}
}

// forget restarts the BMC: nothing of its sessions is kept on disk.
func (s *sim) forget() {
	s.stop()
	s.start()
}

// silence stops the BMC's process, as a BMC that hangs.
func (s *sim) silence() {
	if err := s.bmc.Process.Signal(syscall.SIGSTOP); err != nil {
		s.t.Error(err)
	}
}

// chassis calls the machine as the BMC does.
func (s *sim) chassis(args ...string) string {
	out, err := exec.Command("testdata/chassis", append([]string{s.dir, "0x20"}, args...)...).CombinedOutput()
	if err != nil {
		s.t.Errorf("chassis %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (s *sim) on() bool { return s.chassis("get", "power") == "power:1" }

// press switches by the button, which is not an action of the BMC.
func (s *sim) press(on bool) {
	value := "0"
	if on {
		value = "1"
	}
	log, idle := s.read("log"), filepath.Join(s.dir, "idle")
	wasIdle := os.Rename(idle, idle+"-not") == nil
	s.chassis("set", "power", value)
	if wasIdle {
		_ = os.Rename(idle+"-not", idle)
	}
	if log != "" {
		log += "\n"
	}
	s.write("log", log)
}

// cycleGap is more than what ipmi_sim leaves between off and on of a cycle.
const cycleGap = 1500 * time.Millisecond

// actions reads the log. A cycle is an off that is followed by an on.
func (s *sim) actions() (done []pxepilot.PowerAction) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for ; strings.HasSuffix(s.read("log"), "power 0"); <-tick.C {
		i, err := os.Stat(filepath.Join(s.dir, "log"))
		if err != nil || time.Since(i.ModTime()) > cycleGap {
			break
		}
	}
	for line := range strings.Lines(s.read("log")) {
		last := len(done) - 1
		switch strings.TrimSpace(line) {
		case "power 0":
			done = append(done, pxepilot.ActionOff)
		case "power 1":
			if last >= 0 && done[last] == pxepilot.ActionOff {
				done[last] = pxepilot.ActionCycle
			} else {
				done = append(done, pxepilot.ActionOn)
			}
		case "reset 1":
			done = append(done, pxepilot.ActionReset)
		case "shutdown 1":
			done = append(done, pxepilot.ActionSoftOff)
		}
	}
	return done
}

// nextBoot is the boot device in ipmi_sim's words, which has none for the disk
// and says nothing about the firmware.
func (s *sim) nextBoot() (pxepilot.BootDevice, pxepilot.Firmware) {
	return map[string]pxepilot.BootDevice{
		"pxe": pxepilot.BootPXE, "default": pxepilot.BootDisk, "bios": pxepilot.BootSetup,
	}[s.read("boot")], ""
}

// freePort is an address that nobody listens on at the moment, away from those
// that other tests use.
func freePort(t *testing.T) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 83, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// The suite passes against a BMC that others wrote.
func TestConformanceSim(t *testing.T) {
	f := everything
	f.Firmware = false
	f.Behaviours = []powertest.Behaviour{powertest.Silent, powertest.Refuses, powertest.Idle}
	f.New = func(t *testing.T, b powertest.Behaviour) powertest.Machine {
		s := newSim(t)
		o := options(s.at)
		switch b {
		case powertest.Silent:
			s.silence()
		case powertest.Refuses:
			o.Password = secret(powertest.WrongPassword)
		case powertest.Idle:
			s.write("idle", "")
		}
		return powertest.Machine{
			Controller: ipmi.New(o),
			BMC:        s.at.String(),
			IsOn:       s.on,
			Press:      s.press,
			Actions:    s.actions,
			NextBoot:   s.nextBoot,
			Forget:     s.forget,
		}
	}
	powertest.Conformance(t, f)
}

// Power really starts and stops a process, and ipmitool sees what the driver
// does, as the driver sees what ipmitool does.
func TestSimBesideIpmitool(t *testing.T) {
	testenv.Need(t, "ipmitool")
	s := newSim(t)
	tool := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "ipmitool", append([]string{
			"-I", "lanplus", "-C", "3", "-N", "1", "-R", "1", "-U", user, "-E",
			"-H", s.at.Addr().String(), "-p", strconv.Itoa(int(s.at.Port())), "chassis",
		}, args...)...)
		cmd.Env = append(cmd.Environ(), "IPMI_PASSWORD="+powertest.Password)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("ipmitool %v: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	c := ipmi.New(options(s.at))
	defer func() { _ = c.Close() }()
	state := func(want pxepilot.PowerState) {
		t.Helper()
		if got, err := c.State(t.Context()); err != nil || got != want {
			t.Errorf("State = %q, %v; want %q", got, err, want)
		}
	}
	do := func(a pxepilot.PowerAction) {
		t.Helper()
		if err := c.Do(t.Context(), a); err != nil {
			t.Error(err)
		}
	}

	state(pxepilot.PowerOff)
	do(pxepilot.ActionOn)
	first := s.read("pid")
	if got := tool("power", "status"); got != "Chassis Power is on" || first == "" {
		t.Errorf("ipmitool says %q; process %q", got, first)
	}
	do(pxepilot.ActionReset)
	if second := s.read("pid"); second == first || second == "" {
		t.Errorf("a reset left process %q in place of %q", second, first)
	}
	do(pxepilot.ActionOff)
	if got := tool("power", "status"); got != "Chassis Power is off" || s.on() {
		t.Errorf("ipmitool says %q; the process runs: %v", got, s.on())
	}
	tool("power", "on")
	state(pxepilot.PowerOn)
	tool("bootdev", "disk")
	if err := c.BootNext(t.Context(), pxepilot.BootPXE, pxepilot.UEFI); err != nil {
		t.Error(err)
	}
	if got, _ := s.nextBoot(); got != pxepilot.BootPXE {
		t.Errorf("would boot %q", got)
	}
	tool("power", "off")
	state(pxepilot.PowerOff)
}

// A BMC that answers when the machine has followed, which takes it longer than
// a client waits that repeats itself, acts once.
func TestSimSlow(t *testing.T) {
	s := newSim(t)
	c := ipmi.New(options(s.at))
	defer func() { _ = c.Close() }()
	if _, err := c.State(t.Context()); err != nil {
		t.Error(err)
	}
	s.write("slow", "1.2")
	if err := c.Do(t.Context(), pxepilot.ActionOn); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]pxepilot.PowerAction{pxepilot.ActionOn}, s.actions()); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
}
