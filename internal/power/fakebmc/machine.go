package fakebmc

import (
	"slices"
	"sync"

	"github.com/pxe-pilot/pxe-pilot"
)

// A Machine is the power and the boot override of a machine that is nothing
// else. The zero value is off and boots by its own order. BMCs act on it, and
// its methods look at it past any BMC.
type Machine struct {
	mu      sync.Mutex
	on      bool
	idle    bool
	watch   func(pxepilot.PowerAction)
	actions []pxepilot.PowerAction
	next    Override
	booted  Override
}

// An Override is what a BMC was told about the boots to come (IPMI 2.0 table
// 28-14, parameter 5). The zero value is none.
type Override struct {
	Device     pxepilot.BootDevice
	Firmware   pxepilot.Firmware
	Persistent bool
}

// On says whether the machine runs.
func (m *Machine) On() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.on
}

// Press switches the machine by its own button.
func (m *Machine) Press(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.power(on)
}

// Actions are those that BMCs had it do, in order.
func (m *Machine) Actions() []pxepilot.PowerAction {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.actions)
}

// Next is the override for the next boot.
func (m *Machine) Next() Override {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.next
}

// Booted is the override that the last boot followed.
func (m *Machine) Booted() Override {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.booted
}

// SetIdle makes the machine do nothing, whatever its BMC says that it did.
func (m *Machine) SetIdle(idle bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.idle = idle
}

// Watch has f called with every action, once it is done and before its BMC
// answers.
func (m *Machine) Watch(f func(pxepilot.PowerAction)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.watch = f
}

// override sets what is booted next.
func (m *Machine) override(o Override) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next = o
}

// do has the machine follow its BMC. It says whether it can: what is off can
// neither be cycled nor reset.
func (m *Machine) do(a pxepilot.PowerAction) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.idle {
		return true
	}
	switch a {
	case pxepilot.ActionCycle, pxepilot.ActionReset:
		if !m.on {
			return false
		}
		m.power(false)
		m.power(true)
	default:
		m.power(a == pxepilot.ActionOn)
	}
	m.actions = append(m.actions, a)
	if m.watch != nil {
		m.watch(a)
	}
	return true
}

// power switches; what was off boots, and uses up an override for one boot.
func (m *Machine) power(on bool) {
	if on && !m.on {
		m.booted = m.next
		if !m.next.Persistent {
			m.next = Override{}
		}
	}
	m.on = on
}
