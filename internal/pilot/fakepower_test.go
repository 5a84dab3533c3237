package pilot

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pxe-pilot/pxe-pilot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A fakeMachine is a machine and its BMC, with the ways in which BMCs fail.
type fakeMachine struct {
	state  pxepilot.PowerState
	late   time.Duration // until an action shows
	slow   time.Duration // until the BMC answers
	silent bool          // it never answers
	mute   bool          // it does not answer any more once it did something
	idle   bool          // it says that it did, and does nothing
	// What it answers in place of what it was asked for.
	stateFails, doFails, nextFails error
	thenFails                      error // of all that asks for the state after an action

	acted bool
	done  []string // what reached it, in order
}

// A fakePower is a Power of such machines.
type fakePower struct {
	mu       sync.Mutex
	machines map[string]*fakeMachine
	view     *pxepilot.PowerView
	before   func() // anything is asked
}

func (f *fakePower) Known(context.Context) *pxepilot.PowerView { return f.view }

func (f *fakePower) Address(h *pxepilot.Host) string { return "10.0.0." + fmt.Sprint(h.MACs[0][5]) }

func (f *fakePower) ask(ctx context.Context, h *pxepilot.Host) (*fakeMachine, error) {
	if f.before != nil {
		f.before()
	}
	m := f.machines[h.Name]
	f.mu.Lock()
	silent := m.silent || m.mute && m.acted
	f.mu.Unlock()
	if silent {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(m.slow):
		return m, nil
	}
}

func (f *fakePower) State(ctx context.Context, h *pxepilot.Host) (pxepilot.PowerState, error) {
	m, err := f.ask(ctx, h)
	if err != nil {
		return pxepilot.PowerUnknown, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if m.acted && m.thenFails != nil {
		return pxepilot.PowerUnknown, m.thenFails
	}
	if m.stateFails != nil {
		return pxepilot.PowerUnknown, m.stateFails
	}
	return m.state, nil
}

func (f *fakePower) Do(ctx context.Context, h *pxepilot.Host, a pxepilot.PowerAction) error {
	m, err := f.ask(ctx, h)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	m.done = append(m.done, string(a))
	if m.doFails != nil {
		return m.doFails
	}
	m.acted = true
	if m.idle {
		return nil
	}
	show := func(s pxepilot.PowerState) {
		if m.late == 0 {
			m.state = s
			return
		}
		time.AfterFunc(m.late, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			m.state = s
		})
	}
	switch a {
	case pxepilot.ActionOn:
		show(pxepilot.PowerOn)
	case pxepilot.ActionOff, pxepilot.ActionSoftOff:
		show(pxepilot.PowerOff)
	case pxepilot.ActionReset, pxepilot.ActionCycle:
		if m.late > 0 { // off for that long
			m.state = pxepilot.PowerOff
		}
		show(pxepilot.PowerOn)
	}
	return nil
}

func (f *fakePower) BootNext(ctx context.Context, h *pxepilot.Host, d pxepilot.BootDevice) error {
	m, err := f.ask(ctx, h)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	m.done = append(m.done, "next "+string(d))
	return m.nextFails
}

// doneTo is what reached a machine.
func (f *fakePower) doneTo(name string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.machines[name].done)
}

// newPowered is a site of h01, h02, ... with the machines, each of which boots
// "local" so far, and of "bare", whose power nothing drives.
func newPowered(t *testing.T, machines ...*fakeMachine) (*Pilot, *fakePower, *fakeRoot) {
	t.Helper()
	power := &fakePower{machines: map[string]*fakeMachine{}}
	hosts := []*pxepilot.Host{{Name: "bare", MACs: []pxepilot.MAC{{4: 1}}}}
	for i, m := range machines {
		h := &pxepilot.Host{Name: fmt.Sprintf("h%02d", i+1), MACs: []pxepilot.MAC{{5: byte(i + 1)}}, IPMI: &pxepilot.IPMI{MAC: pxepilot.MAC{4: 2, 5: byte(i + 1)}}}
		hosts, power.machines[h.Name] = append(hosts, h), m
	}
	inv, err := pxepilot.NewInventory(hosts)
	if err != nil {
		t.Fatal(err)
	}
	var seen []pxepilot.HostStatus
	for _, h := range hosts {
		seen = append(seen, pxepilot.HostStatus{Host: h, Links: links("pxelinux:local"), State: pxepilot.Configured, Configuration: "local"})
	}
	configurations := []pxepilot.Configuration{{Name: "local", Bootloaders: []string{"pxelinux"}}, {Name: "ubuntu", Bootloaders: []string{"pxelinux"}}}
	root := &fakeRoot{view: pxepilot.NewView(inv, seen, configurations)}
	site := &Site{Inventory: inv, Root: root}
	return New(func() *Site { return site }, func() error { return nil }, Options{Power: power}), power, root
}
