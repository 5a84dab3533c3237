package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/power/fakebmc"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// User is who may drive machines through the BMCs of the lab.
const User = "operator"

// BMC starts a simulated BMC of a machine, on loopback, at a port of its own.
func BMC(t testing.TB, password string, m *fakebmc.Machine) *fakebmc.IPMI {
	t.Helper()
	b, err := fakebmc.StartIPMI("127.0.0.1:0", Account(password), m)
	if err != nil {
		t.Fatal(err)
	}
	Closing(t, b)
	return b
}

// Account is that of User.
func Account(password string) fakebmc.Account {
	return fakebmc.Account{User: User, Password: pxepilot.NewSecret(password)}
}

// Closing ends a BMC with the test.
func Closing(t testing.TB, b *fakebmc.IPMI) {
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Silence is an address at which somebody listens who never answers.
func Silence(t testing.TB) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// IPMI is the power of a host whose BMC is there. The credentials are what comes
// behind the user's name, such as "password: secret".
func IPMI(at netip.AddrPort, credentials string) string {
	return fmt.Sprintf("ipmi: {hostname: %s, port: %d, username: %s, %s}", at.Addr(), at.Port(), User, credentials)
}

// A Sim is OpenIPMI's ipmi_sim, a BMC that others wrote, in front of a machine
// that is a process.
type Sim struct {
	At       netip.AddrPort
	dir      string
	chassis  string // a script that says what becomes of the process
	password string
}

// NewSim starts ipmi_sim on loopback. Its machine is off.
func NewSim(t testing.TB, password string) *Sim {
	t.Helper()
	script := filepath.Join(filepath.Dir(goEnv(t, "GOMOD")), "internal", "power", "ipmi", "testdata", "chassis")
	return newSim(t, newAddress(), Dir(t), script, password)
}

// newSim starts ipmi_sim, which calls a script to drive its machine, and which
// finds the script's files in dir.
func newSim(t testing.TB, address, dir, chassis, password string) *Sim {
	t.Helper()
	NeedNamespaces(t)
	testenv.Need(t, "ipmi_sim", "ipmitool")
	s := &Sim{At: netip.AddrPortFrom(netip.MustParseAddr(address), 623), dir: dir, chassis: chassis, password: password}
	Write(t, filepath.Join(s.dir, "lan.conf"), fmt.Sprintf(`name "machine"
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
`, s.At.Addr(), s.At.Port(), s.chassis, s.dir, User, password))
	Write(t, filepath.Join(s.dir, "sim.emu"), `mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
mc_enable 0x20
`)
	MakeDir(t, filepath.Join(s.dir, "state"))
	t.Cleanup(func() { // once the BMC has ended
		ctx := context.WithoutCancel(t.Context())
		if out, err := exec.CommandContext(ctx, s.chassis, s.dir, "0x20", "set", "power", "0").CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	Start(t, "ipmi_sim", "-c", filepath.Join(s.dir, "lan.conf"), "-f", filepath.Join(s.dir, "sim.emu"), "-s", filepath.Join(s.dir, "state"), "-n")
	Until(t, "ipmi_sim answers", func() bool { return pongs(t, s.At) })
	return s
}

// pongs says whether a BMC answers an RMCP ping (IPMI 2.0 section 13.2.3).
func pongs(t testing.TB, at netip.AddrPort) bool {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = conn.Write([]byte{0x06, 0, 0xff, 0x06, 0, 0, 0x11, 0xbe, 0x80, 1, 0, 0})
	if err != nil {
		return false
	}
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	n, err := conn.Read(make([]byte, 64))
	return err == nil && n > 0
}

// Machine is the number of the process that is the machine; empty when it is off.
func (s *Sim) Machine(t testing.TB) string {
	t.Helper()
	if !Exists(filepath.Join(s.dir, "pid")) {
		return ""
	}
	return strings.TrimSpace(Read(t, filepath.Join(s.dir, "pid")))
}

// Next is what the machine boots from next, in ipmi_sim's words; empty when
// nobody said.
func (s *Sim) Next(t testing.TB) string {
	t.Helper()
	if !Exists(filepath.Join(s.dir, "boot")) {
		return ""
	}
	return strings.TrimSpace(Read(t, filepath.Join(s.dir, "boot")))
}

// Orders are those that the machine was given, in ipmi_sim's words.
func (s *Sim) Orders(t testing.TB) []string {
	t.Helper()
	if !Exists(filepath.Join(s.dir, "log")) {
		return nil
	}
	return lines(Read(t, filepath.Join(s.dir, "log")))
}

// Ipmitool asks the BMC by ipmitool and returns what that says.
func (s *Sim) Ipmitool(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ipmitool", append([]string{"-I", "lanplus", "-C", "3", "-N", "1", "-R", "1", "-U", User, "-E",
		"-H", s.At.Addr().String(), "-p", strconv.Itoa(int(s.At.Port()))}, args...)...)
	cmd.Env = append(cmd.Environ(), "IPMI_PASSWORD="+s.password)
	stdout, stderr, status := OutputOf(t, cmd)
	if status != 0 {
		t.Fatalf("ipmitool %v: exit status %d\n%s%s", args, status, stdout, stderr)
	}
	return strings.TrimSpace(stdout)
}
