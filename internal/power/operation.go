package power

import (
	"context"
	"errors"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// operate runs one operation on a machine, in its turn and within its deadline.
// A request may be older than the configuration file that is current, or outlive
// it: it is refused rather than done to a machine that it does not mean.
func (f *Fleet) operate(ctx context.Context, h *pxepilot.Host, do func(context.Context, *machine) error) error {
	key := f.o.Key(h)
	f.mu.Lock()
	m := f.machines[h.Name]
	if m == nil {
		f.mu.Unlock()
		return pxepilot.Errorf(pxepilot.Conflict, "nothing drives the power of host %s: give it ipmi, redfish, management or wol in the configuration file",
			pxepilot.Quote(h.Name))
	}
	silent := m.silent
	f.mu.Unlock()
	changed := func() error {
		return pxepilot.Errorf(pxepilot.Conflict, "host %s: the configuration file changed what drives its power meanwhile; nothing was done", pxepilot.Quote(h.Name))
	}
	if m.key != key {
		return changed()
	}
	if m.broken != nil {
		return m.broken
	}
	waiting := func(err error) error {
		return pxepilot.Errorf(pxepilot.Conflict, "host %s: its BMC was still busy with something else when the time was over", pxepilot.Quote(h.Name)).Because(err)
	}
	select {
	case m.turn <- struct{}{}:
	case <-ctx.Done():
		return waiting(ctx.Err())
	}
	defer func() { <-m.turn }()
	if err := f.gate.enter(ctx, silent); err != nil {
		return waiting(err)
	}
	defer f.gate.leave()
	if f.isGone(m) {
		return changed()
	}
	limited, cancel := context.WithTimeout(ctx, f.o.Deadline)
	defer cancel()
	err := do(limited, m)
	f.used(m, isSilence(err))
	return err
}

// isGone says whether a reload put another machine in the place of this one, or
// none, while its turn was waited for.
func (f *Fleet) isGone(m *machine) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return m.gone
}

// where is the address of a machine's BMC, as far as that is known.
func (f *Fleet) where(m *machine) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.o.Address(m.host)
}

// learn notes what a machine's BMC said that was at an address when the question
// was begun.
func (f *Fleet) learn(m *machine, at string, state pxepilot.PowerState, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if errors.Is(err, context.Canceled) {
		return // it was not asked to the end
	}
	if err != nil && f.o.Address(m.host) != at {
		m.due = true // where it is by now it was never asked
		return
	}
	m.known = pxepilot.PowerKnowledge{State: state, At: time.Now(), Problem: pxepilot.ErrorMessage(err)}
	m.at, m.due = at, false
	f.view = nil
}

// used notes that a machine's session was used, and has it closed later.
func (f *Fleet) used(m *machine, silent bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m.silent = silent
	if m.gone {
		return
	}
	if m.idle == nil {
		m.idle = time.AfterFunc(f.o.Idle, func() { f.closeIdle(m) })
	} else {
		m.idle.Reset(f.o.Idle)
	}
}

// closeIdle closes a session that nobody used; later, where somebody uses the BMC
// just now.
func (f *Fleet) closeIdle(m *machine) {
	select {
	case m.turn <- struct{}{}:
		_ = m.ctl.Close()
		<-m.turn
	default:
		f.mu.Lock()
		defer f.mu.Unlock()
		if !m.gone {
			m.idle.Reset(f.o.Idle)
		}
	}
}

// isSilence says whether an operation ended for want of an answer.
func isSilence(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}
