// Package lantest makes small networks for tests, in network namespaces: a near
// one, in which the program under test runs, and a far one, whose kernel answers
// ARP like any machine's. Nothing of them is seen outside. Machines can be plugged
// in, connect, and send what they like (machine.go); routers have namespaces of
// their own, and so has who is behind them (router.go).
//
// The names of the namespaces hold the process's number, so that what a killed
// test left is removed by the next.
package lantest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

const (
	prefix  = "pxelan-"
	mounted = "/run/netns" // ip-netns(8)
)

// A LAN is a pair of namespaces and the wires between them.
type LAN struct {
	tb    testing.TB
	name  string
	wires int
}

// New makes the namespaces. It needs root and the program ip. Both namespaces
// are removed at the end of the test, and all that is in them with them.
func New(tb testing.TB) *LAN {
	tb.Helper()
	removeLeft(tb)
	l := &LAN{tb: tb, name: fmt.Sprintf("%s%d-%s", prefix, os.Getpid(), strings.ToLower(rand.Text()[:6]))}
	tb.Cleanup(func() { l.ip("netns del " + l.near() + "\nnetns del " + l.far()) })
	l.ip("netns add " + l.near() + "\nnetns add " + l.far())
	l.ip("-n " + l.near() + " link set lo up\n-n " + l.far() + " link set lo up")
	// Machines of one subnet on interfaces of one kernel: each answers for itself,
	// from wherever it is asked.
	l.set(l.far(), "ipv4/conf/all/rp_filter=0", "ipv4/conf/default/rp_filter=0", "ipv4/conf/default/arp_ignore=1")
	return l
}

func (l *LAN) near() string { return l.name + "-near" }
func (l *LAN) far() string  { return l.name + "-far" }

// A Wire is an Ethernet link between both namespaces.
type Wire struct {
	lan       *LAN
	Near, Far string // interfaces
	machines  int
}

// Wire makes a link. Its near end gets addresses such as 10.0.0.1/24.
func (l *LAN) Wire(near ...string) *Wire {
	l.tb.Helper()
	w := &Wire{lan: l, Near: fmt.Sprintf("near%d", l.wires), Far: fmt.Sprintf("far%d", l.wires)}
	l.wires++
	script := []string{
		fmt.Sprintf("link add %s netns %s type veth peer name %s netns %s", w.Near, l.near(), w.Far, l.far()),
		fmt.Sprintf("-n %s link set %s up", l.near(), w.Near),
		fmt.Sprintf("-n %s link set %s up", l.far(), w.Far),
	}
	for _, a := range near {
		option := "nodad" // it serves at once, without a look whether others have it
		if netip.MustParsePrefix(a).Addr().Is4() {
			option = "brd +"
		}
		script = append(script, fmt.Sprintf("-n %s addr add %s %s dev %s", l.near(), a, option, w.Near))
	}
	l.ip(strings.Join(script, "\n"))
	return w
}

// Fill makes the far end answer for all of a subnet but the near end's address.
func (w *Wire) Fill(subnet, near string) {
	w.lan.tb.Helper()
	w.lan.set(w.lan.far(), "ipv4/conf/"+w.Far+"/arp_ignore=0")
	w.lan.ip(fmt.Sprintf(`-n %[1]s route add local %[2]s dev lo
-n %[1]s route add unicast %[3]s/32 dev %[4]s scope link table local`, w.lan.far(), subnet, near, w.Far))
}

// IP runs a command of ip(8) in the near namespace.
func (l *LAN) IP(command string) {
	l.tb.Helper()
	l.ip("-n " + l.near() + " " + command)
}

// Set sets what stands under /proc/sys/net in the near namespace, such as
// "ipv4/ip_forward=1".
func (l *LAN) Set(settings ...string) {
	l.tb.Helper()
	l.set(l.near(), settings...)
}

func (l *LAN) set(namespace string, settings ...string) {
	l.tb.Helper()
	var err error
	l.in(namespace, func() {
		for _, s := range settings {
			name, value, _ := strings.Cut(s, "=")
			if err = os.WriteFile(filepath.Join("/proc/sys/net", name), []byte(value), 0); err != nil {
				return
			}
		}
	})
	if err != nil {
		l.tb.Fatal(err)
	}
}

// Do calls f on a thread that is in the near namespace. f must not end the test.
func (l *LAN) Do(f func()) {
	l.tb.Helper()
	l.in(l.near(), f)
}

// Dial connects the near end with itself, from one of its addresses or any ("").
func (l *LAN) Dial(from, to string) (conn net.Conn) {
	l.tb.Helper()
	var err error
	l.Do(func() { conn, err = dial(l.tb, "", from, to) })
	if err != nil {
		l.tb.Fatal(err)
	}
	return conn
}

// DoFar is Do in the far namespace, where machines have servers.
func (l *LAN) DoFar(f func()) {
	l.tb.Helper()
	l.in(l.far(), f)
}

// in calls f on a thread of its own, which ends with it: nothing else can ever
// run in the namespace by accident.
func (l *LAN) in(namespace string, f func()) {
	l.tb.Helper()
	ns, err := os.Open(filepath.Join(mounted, namespace))
	if err != nil {
		l.tb.Fatal(err)
	}
	defer ns.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked
		if err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err == nil {
			f()
		}
	}()
	<-done
	if err != nil {
		l.tb.Fatalf("entering %s: %v", namespace, err)
	}
}

// ip runs commands of ip(8), one a line.
func (l *LAN) ip(script string) {
	l.tb.Helper()
	if err := runIP(l.tb, script); err != nil {
		l.tb.Fatal(err)
	}
}

func runIP(tb testing.TB, script string) error {
	// The context of a test is over when it is cleaned up.
	ctx := context.WithoutCancel(tb.Context())
	for line := range strings.Lines(script) {
		out, err := exec.CommandContext(ctx, "ip", strings.Fields(line)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("ip %s: %w: %s", strings.TrimSpace(line), err, out)
		}
	}
	return nil
}

// removeLeft removes the namespaces of processes that are no more.
func removeLeft(tb testing.TB) {
	tb.Helper()
	names, err := filepath.Glob(filepath.Join(mounted, prefix+"*"))
	if err != nil {
		tb.Fatal(err)
	}
	for _, name := range names {
		name = filepath.Base(name)
		number, _, _ := strings.Cut(strings.TrimPrefix(name, prefix), "-")
		pid, err := strconv.Atoi(number)
		if err != nil || unix.Kill(pid, 0) != unix.ESRCH {
			continue
		}
		if err := runIP(tb, "netns del "+name); err != nil {
			tb.Log(err) // another test was quicker
		}
	}
}

// NearMACs are the MAC addresses of the near namespace's interfaces.
func (l *LAN) NearMACs() map[pxepilot.MAC]string {
	l.tb.Helper()
	var all []net.Interface
	var err error
	l.Do(func() { all, err = net.Interfaces() })
	if err != nil {
		l.tb.Fatal(err)
	}
	macs := make(map[pxepilot.MAC]string)
	for _, i := range all {
		if len(i.HardwareAddr) == len(pxepilot.MAC{}) {
			macs[pxepilot.MAC(i.HardwareAddr)] = i.Name
		}
	}
	return macs
}
