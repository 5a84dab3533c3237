package lab

import (
	"cmp"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// A Machine is an emulated one: a host of the site that really boots.
type Machine struct {
	Host         // as the site's file describes it
	IP    string // that DHCP gives it, whichever network card asks; empty where that may be any
	Dir   string // of its own files
	Disk  string // the file that is its disk; empty for none
	Typed string // what its owner types to boot it, where it has a console for that; empty for the usual

	site     *BootSite
	firmware Firmware
	first    int      // the network card that it boots by
	more     []string // arguments of QEMU
	prompt   string   // after which something is typed on its console
	types    string   // what that is; empty for nothing
	qemu     *Process // nil until it is powered on
	heard    int      // how much of what it said on the serial line was looked at
	asked    int      // requests of the site before it was powered on
	told     int      // its requests since then that NextRequest returned
}

// A Firmware is what a machine starts with: the command line of QEMU for it,
// without what all machines have.
type Firmware func(t testing.TB, m *Machine) []string

// BIOS is a PC with SeaBIOS, whose network cards have iPXE in their ROMs. Virtual
// time skips idle waits (icount), and so it boots in less than a second.
func BIOS(testing.TB, *Machine) []string {
	return []string{"qemu-system-x86_64", "-machine", "pc", "-m", "32", "-icount", "shift=3,sleep=off"}
}

// ARM is a board with U-Boot, on whose console its owner types what makes it boot
// from the network, once it has the address that its card really has.
func ARM(_ testing.TB, m *Machine) []string {
	m.prompt = "Hit any key to stop autoboot"
	m.types = "\nsetenv -f ethaddr " + m.MACs[m.first] + "\n" + cmp.Or(m.Typed, "setenv autoload no; dhcp && pxe get && pxe boot\n")
	return []string{"qemu-system-aarch64", "-machine", "virt", "-cpu", "cortex-a53", "-m", "128", "-bios", "/usr/lib/u-boot/qemu_arm64/u-boot.bin"}
}

// An Option makes a machine another one.
type Option func(*Machine)

// NICs is how many network cards the machine has; by itself it has one.
func NICs(n int) Option { return func(m *Machine) { m.MACs = make([]string, n) } }

// UUID is what the machine's firmware says it is. Whether the site's file says so,
// too, is up to Facts.
func UUID(uuid string) Option { return Args("-uuid", uuid) }

// Facts are keys of the host in the site's file, and their values; the address that
// DHCP gives it is there by itself.
func Facts(yaml string) Option { return func(m *Machine) { m.Facts = yaml } }

// Args are further arguments of QEMU.
func Args(args ...string) Option { return func(m *Machine) { m.more = append(m.more, args...) } }

// EmptyDisk gives the machine a disk from which nothing boots. It is the first
// after the network card that machines boot from.
func EmptyDisk(m *Machine) { m.Disk = filepath.Join(m.Dir, "disk") }

// Machine makes a machine, which is off.
func (s *BootSite) Machine(t testing.TB, name string, f Firmware, options ...Option) *Machine {
	t.Helper()
	m := &Machine{Host: Host{Name: name, MACs: make([]string, 1)}, site: s, firmware: f, Dir: filepath.Join(s.dir(), name)}
	for _, o := range options {
		o(m)
	}
	MakeDir(t, m.Dir)
	n := len(s.machines) + 1
	s.machines, s.hosts = append(s.machines, m), append(s.hosts, &m.Host)
	for i := range m.MACs {
		m.MACs[i] = fmt.Sprintf("52:54:00:ab:%02x:%02x", i, n)
		m.plug(t, i)
	}
	s.reserve(t, m)
	testenv.Need(t, f(t, m)[0])
	Write(t, m.serial(), "")
	if m.Disk != "" {
		Write(t, m.Disk, string(make([]byte, 1<<20)))
	}
	t.Cleanup(func() { m.keep(t) })
	return m
}

// plug makes the near end of a network card's cable.
func (m *Machine) plug(t testing.TB, card int) {
	t.Helper()
	tap := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: m.tap(card), MasterIndex: m.site.bridge.Attrs().Index}, Mode: netlink.TUNTAP_MODE_TAP}
	if err := netlink.LinkAdd(tap); err != nil {
		t.Fatalf("tap of %s: %v", m.Name, err)
	}
	t.Cleanup(func() {
		if err := netlink.LinkDel(tap); err != nil {
			t.Error(err)
		}
	})
	if err := netlink.LinkSetUp(tap); err != nil {
		t.Fatalf("tap of %s: %v", m.Name, err)
	}
}

func (m *Machine) tap(card int) string {
	n := slices.Index(m.site.machines, m) + 1
	return fmt.Sprintf("tap%d-%d-%d", m.site.number, n, card)
}

func (m *Machine) serial() string { return filepath.Join(m.Dir, "serial.log") }

// said is what the machine wrote to its serial line, without what moves a cursor,
// as UEFI does before each letter (ECMA-48, section 5.4).
func (m *Machine) said(t testing.TB) string {
	t.Helper()
	return controls.ReplaceAllString(Read(t, m.serial()), "")
}

var controls = regexp.MustCompile("\x1b\\[[0-?]*[ -/]*[@-~]")

// BootBy chooses the network card that the machine boots by from now on.
func (m *Machine) BootBy(card int) { m.first = card }

// Command is what the machine is when it is on.
func (m *Machine) Command(t testing.TB) *exec.Cmd {
	t.Helper()
	args := m.firmware(t, m)
	console := "file,path=" + m.serial() + ",append=on"
	if m.types != "" {
		console = "stdio,logfile=" + m.serial() + ",logappend=on"
	}
	args = slices.Concat(args, []string{"-accel", "tcg", "-nodefaults", "-display", "none", "-boot", "strict=on",
		"-chardev", console + ",id=serial", "-serial", "chardev:serial"}, m.more)
	if m.Disk != "" {
		args = append(args, "-drive", "if=none,id=disk,format=raw,file="+m.Disk, "-device", "virtio-blk-pci,drive=disk,bootindex=2")
	}
	for i, mac := range m.MACs {
		device := fmt.Sprintf("virtio-net-pci,netdev=n%d,mac=%s", i, mac)
		if i == m.first {
			device += ",bootindex=1"
		}
		args = append(args, "-netdev", fmt.Sprintf("tap,id=n%d,ifname=%s,script=no,downscript=no", i, m.tap(i)), "-device", device)
	}
	return exec.CommandContext(t.Context(), args[0], args[1:]...)
}

// PowerOn turns the machine on.
func (m *Machine) PowerOn(t testing.TB) {
	t.Helper()
	if m.qemu != nil {
		t.Fatalf("%s is on", m.Name)
	}
	m.heard = len(m.said(t))
	m.asked, m.told = len(m.site.capture.requests(t)), 0
	cmd := m.Command(t)
	if m.types == "" {
		m.qemu = StartCommand(t, cmd)
		return
	}
	keys, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	m.qemu = StartCommand(t, cmd)
	m.Says(t, m.prompt)
	if _, err := io.WriteString(keys, m.types); err != nil {
		t.Fatal(err)
	}
}

// Off pulls the plug, if the machine is on.
func (m *Machine) Off(testing.TB) {
	if m.qemu != nil {
		m.qemu.Kill()
		m.qemu = nil
	}
}

// Cycle turns the machine off and on.
func (m *Machine) Cycle(t testing.TB) {
	t.Helper()
	m.Off(t)
	m.PowerOn(t)
}

// The marks between which what boots says what it is, on the serial line.
const bootBegin, bootEnd = "[[BOOTED ", "]]"

// Boots waits until the machine boots, and wants it to boot that marker.
func (m *Machine) Boots(t testing.TB, marker string) {
	t.Helper()
	if line := m.BootLine(t); !slices.Contains(strings.Fields(line), "marker="+marker) {
		t.Fatalf("%s boots %q, want marker=%s", m.Name, line, marker)
	}
}

// BootPatience is how long a machine may take to boot. It is very long, for some
// of them take many seconds where others run beside them.
const BootPatience = 2 * time.Minute

// gaveUp is what UEFI says once nothing is left to boot from. Its time is virtual
// and runs ahead of the servers' where the machine that runs the tests is busy, so
// that it may give up before an answer comes. Whoever stands before such a machine
// turns it off and on.
const (
	gaveUp    = "UEFI Interactive Shell"
	bootTries = 3
)

// BootLine waits until the machine boots, and returns the command line of what it
// boots. Called again it waits for the next boot.
func (m *Machine) BootLine(t testing.TB) string {
	t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	deadline := time.After(BootPatience)
	tries := bootTries
	for last := false; ; {
		if line, booted := m.nextBoot(t); booted {
			return line
		}
		if last {
			t.Fatalf("%s ended without a boot", m.Name)
		}
		if m.qemu != nil && tries > 1 && strings.Contains(m.said(t)[m.heard:], gaveUp) {
			tries--
			t.Logf("%s gave up waiting for an answer, and is turned on again", m.Name)
			m.Cycle(t)
		}
		select {
		case <-look.C:
		case <-m.ended():
			last = true // one more look
		case <-deadline:
			t.Fatalf("%s did not boot within %v", m.Name, BootPatience)
		}
	}
}

// BootLines are those of all boots until now that were not looked at.
func (m *Machine) BootLines(t testing.TB) []string {
	t.Helper()
	var all []string
	for {
		line, booted := m.nextBoot(t)
		if !booted {
			return all
		}
		all = append(all, line)
	}
}

func (m *Machine) nextBoot(t testing.TB) (line string, booted bool) {
	t.Helper()
	text := m.said(t)[m.heard:]
	_, rest, begun := strings.Cut(text, bootBegin)
	line, after, done := strings.Cut(rest, bootEnd)
	if !begun || !done {
		return "", false
	}
	m.heard += len(text) - len(after)
	return line, true
}

// ended is closed when the machine's process ended; nil where others started it.
func (m *Machine) ended() <-chan struct{} {
	if m.qemu == nil {
		return nil
	}
	return m.qemu.ended
}

// Requests are those that the machine made since it was powered on, in order.
func (m *Machine) Requests(t testing.TB) []Request {
	t.Helper()
	var own []Request
	for _, r := range m.site.capture.requests(t)[m.asked:] {
		if slices.Contains(m.MACs, r.MAC) {
			own = append(own, r)
		}
	}
	return own
}

// NextRequest waits for a request of the machine, and returns the first that it
// did not return before since the machine was powered on.
func (m *Machine) NextRequest(t testing.TB) Request {
	t.Helper()
	var all []Request
	Until(t, m.Name+" asks for a file", func() bool {
		all = m.Requests(t)
		return len(all) > m.told
	})
	m.told++
	return all[m.told-1]
}

// keep shows what the machine said and asked for, if the test failed.
func (m *Machine) keep(t testing.TB) {
	if !t.Failed() {
		return
	}
	keep(t, m.Name+"-requests", list(m.site.capture.requests(t)))
	keep(t, m.Name+"-serial", m.said(t))
}
