package ipmi_test

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/power/fakebmc"
	"github.com/pxe-pilot/pxe-pilot/internal/power/ipmi"
	"github.com/pxe-pilot/pxe-pilot/internal/power/powertest"
)

// state wants the machine's state to be told, and says how many datagrams that
// took.
func state(t *testing.T, c *ipmi.Controller, bmc *fakebmc.IPMI, m *fakebmc.Machine) int {
	t.Helper()
	before, want := bmc.Asked(), pxepilot.PowerOff
	if m.On() {
		want = pxepilot.PowerOn
	}
	if got, err := c.State(t.Context()); err != nil || got != want {
		t.Errorf("State = %q, %v; want %q", got, err, want)
	}
	return bmc.Asked() - before
}

// The suite that a BMC takes is found out once, and a session is opened once.
func TestDatagrams(t *testing.T) {
	const (
		login   = 4 // Open Session, RAKP 1 and 3, Set Session Privilege Level
		refused = 1 // Open Session by suite 17
		ask     = 1
	)
	m, bmc := fake(t, powertest.Well, 3)
	c := ipmi.New(options(bmc.Addr()))
	step := func(what string, want int) {
		t.Helper()
		if got := state(t, c, bmc, m); got != want {
			t.Errorf("%s: %d datagrams, want %d", what, got, want)
		}
	}
	step("the first question", refused+login+ask)
	step("the next one", ask)
	if n := bmc.Sessions(); n != 1 {
		t.Errorf("%d sessions, want one that is kept", n)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if n := bmc.Sessions(); n != 0 {
		t.Errorf("%d sessions are left at the BMC", n)
	}
	step("after Close", login+ask)
	bmc.Forget()
	// The lost datagram, then what tells the BMC that the session ended.
	step("after the BMC restarted", ask+1+login+ask)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// A session that nobody uses ends by itself, and one that was refused leaves
// nothing at the BMC, which has few.
func TestSessionsEnd(t *testing.T) {
	m, bmc := fake(t, powertest.Well)
	o := options(bmc.Addr())
	o.Idle = 20 * time.Millisecond
	c := ipmi.New(o)
	defer func() { _ = c.Close() }()
	state(t, c, bmc, m)
	noSessions(t, bmc)
	state(t, c, bmc, m)

	o.Idle = 0
	c = ipmi.New(o)
	state(t, c, bmc, m)
	if err := c.Do(t.Context(), pxepilot.ActionOn); err != nil {
		t.Error(err)
	}
	noSessions(t, bmc)
}

func noSessions(t *testing.T, bmc *fakebmc.IPMI) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(5 * time.Second); bmc.Sessions() > 0; <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("%d sessions are left at the BMC", bmc.Sessions())
		}
	}
}

// A BMC has few sessions; what others hold is said.
func TestNoSessionFree(t *testing.T) {
	_, bmc := fake(t, powertest.Well)
	var others []*ipmi.Controller
	for range 4 { // as many as the fake BMC has
		c := ipmi.New(options(bmc.Addr()))
		others = append(others, c)
		if _, err := c.State(t.Context()); err != nil {
			t.Error(err)
		}
	}
	want := "host h2: BMC " + bmc.Addr().String() + ": has no free session; those that nobody ended do so after a minute"
	c := ipmi.New(options(bmc.Addr()))
	if _, err := c.State(t.Context()); pxepilot.ErrorMessage(err) != want {
		t.Errorf("State: %v\nwant %s", err, want)
	}
	for _, o := range others {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.State(t.Context()); err != nil {
		t.Error(err)
	}
	_ = c.Close()
}

// A BMC that moved is asked at its new address, and the old one is left alone.
func TestAddressChanges(t *testing.T) {
	m1, old := fake(t, powertest.Well)
	m2 := new(fakebmc.Machine)
	at := netip.AddrPortFrom(netip.MustParseAddr("127.83.0.2"), old.Addr().Port())
	moved, err := fakebmc.StartIPMI(at.String(), fakebmc.Account{User: user, Password: pxepilot.NewSecret(powertest.Password)}, m2)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = moved.Close() }()
	m2.Press(true)

	var mu sync.Mutex
	where := old.Addr().Addr().String()
	o := options(old.Addr())
	o.Address = func(context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		return where, nil
	}
	c := ipmi.New(o)
	defer func() { _ = c.Close() }()
	state(t, c, old, m1)
	mu.Lock()
	where = at.Addr().String()
	mu.Unlock()
	state(t, c, moved, m2)
	if old.Sessions() != 0 {
		t.Errorf("%d sessions are left at the old address", old.Sessions())
	}
}

// Names and IPv6 addresses are addresses like any other.
func TestAddresses(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "[::1]:0"} {
		var m fakebmc.Machine
		bmc, err := fakebmc.StartIPMI(listen, fakebmc.Account{User: user, Password: pxepilot.NewSecret(powertest.Password)}, &m)
		if err != nil {
			t.Fatal(err)
		}
		o := options(bmc.Addr())
		c := ipmi.New(o)
		state(t, c, bmc, &m)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if bmc.Addr().Addr().Is4() {
			o.Address = at("localhost")
			c = ipmi.New(o)
			state(t, c, bmc, &m)
			_ = c.Close()
		}
		_ = bmc.Close()
	}
}

// A firmware that is not told leaves what is set, for IPMI has a bit for it
// and no word for "as you like".
func TestBootNextKeepsFirmware(t *testing.T) {
	m, bmc := fake(t, powertest.Well)
	c := ipmi.New(options(bmc.Addr()))
	defer func() { _ = c.Close() }()
	for _, tt := range []struct{ told, want pxepilot.Firmware }{
		{"", pxepilot.BIOS}, {pxepilot.UEFI, pxepilot.UEFI}, {"", pxepilot.UEFI}, {pxepilot.BIOS, pxepilot.BIOS}, {"", pxepilot.BIOS},
	} {
		if err := c.BootNext(t.Context(), pxepilot.BootPXE, tt.told); err != nil {
			t.Error(err)
		}
		if got := m.Next(); got != (fakebmc.Override{Device: pxepilot.BootPXE, Firmware: tt.want}) {
			t.Errorf("told %q: %+v, want %q, once", tt.told, got, tt.want)
		}
	}
}

// One silent BMC costs its caller 2 s, however long the caller would wait; a
// BMC whose session was kept costs no more.
func TestSilentCosts(t *testing.T) {
	t.Parallel()
	m, bmc := fake(t, powertest.Well)
	c := ipmi.New(options(bmc.Addr()))
	defer func() { _ = c.Close() }()
	state(t, c, bmc, m)
	bmc.SetSilent(true)
	began := time.Now()
	if err := c.Do(t.Context(), pxepilot.ActionOn); err == nil {
		t.Error("no error")
	}
	if took := time.Since(began); took > 2*time.Second+300*time.Millisecond {
		t.Errorf("took %s", took)
	}
	if m.On() {
		t.Error("the action was sent to a BMC that had not answered before")
	}
}

// A BMC, or who plays one, that answers a proposal with algorithms that prove
// and hide nothing is not logged in to.
func TestDowngrade(t *testing.T) {
	for _, at := range []int{16, 24, 32} { // the algorithms in an Open Session Response
		_, bmc := fake(t, powertest.Well, 3)
		bmc.Tamper(func(answer []byte) [][]byte {
			if at := 16 + at; answer[5] == 0x11 && len(answer) > at {
				answer[at] = 0
			}
			return [][]byte{answer}
		})
		c := ipmi.New(options(bmc.Addr()))
		if got, err := c.State(t.Context()); err == nil {
			t.Errorf("State = %q from a BMC that chose no algorithm in byte %d", got, at)
		}
		_ = c.Close()
	}
}
