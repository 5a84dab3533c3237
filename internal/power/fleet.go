package power

import (
	"context"
	"sync"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// Options say how a Fleet treats its machines. Zero values mean the defaults.
type Options struct {
	// Make makes the controller of a host, or nil where nothing drives its power.
	Make func(*pxepilot.Host) (Controller, error)
	// Key is what the controller of a host depends on. While it is the same over
	// reloads of the configuration file, the controller and its session are kept.
	Key func(*pxepilot.Host) string
	// Address is where the host's BMC is, as far as that is known, to be shown.
	Address func(*pxepilot.Host) string
	// BMC names the BMC of a host, which may be that of others as well; the host's
	// name unless told.
	BMC func(*pxepilot.Host) string

	AtOnce   int           // operations at a time over all machines; 64
	Deadline time.Duration // of one operation, waiting for its turn aside; 10 s
	Fresh    time.Duration // a state that is older is asked anew; 10 s
	Patience time.Duration // how long a list waits where nothing is known yet; 1 s
	Idle     time.Duration // a session that was not used for so long is closed; DefaultIdle
}

// DefaultIdle is how long a session is kept that nobody uses. BMCs end theirs
// after a minute (IPMI 2.0 section 6.12.15).
const DefaultIdle = 30 * time.Second

// reluctant is how many times longer than Fresh a BMC that failed is left alone:
// a dead one costs a deadline each time, and one with a wrong password may lock
// the account.
const reluctant = 6

// A Fleet is the power of all machines of a site. It sees to it that there is one
// operation at a time per BMC, for many hold one session only, and a bounded
// number over all; that each has a deadline; that sessions are kept and closed;
// and it remembers states, so that lists are answered at once.
type Fleet struct {
	o    Options
	gate *gate

	ctx  context.Context // of what goes on behind lists
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	machines map[string]*machine // by host name
	// The turns at BMCs are kept for good: what is under way at one does not end
	// because the configuration file lost it or gave it to another host.
	turns map[string]chan struct{}
	view  *pxepilot.PowerView // nil when something new is known
}

// A machine is one host with its controller.
type machine struct {
	turn   chan struct{} // its BMC's: holds a token while an operation is under way
	key    string
	ctl    Controller
	broken error // why there is no controller

	// The rest is guarded by the fleet's lock.
	host   *pxepilot.Host
	gone   bool // another one is in its place by now, or none
	known  pxepilot.PowerKnowledge
	at     string        // where its BMC was when it was asked
	due    bool          // something was done, so that the state is not known any more
	silent bool          // the last operation had no answer
	asking chan struct{} // closed when the question that is under way is answered; else nil
	since  time.Time     // when that question was begun
	idle   *time.Timer
}

// NewFleet makes a Fleet without machines.
func NewFleet(o Options) *Fleet {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&o.Deadline, 10*time.Second)
	set(&o.Fresh, 10*time.Second)
	set(&o.Patience, time.Second)
	set(&o.Idle, DefaultIdle)
	if o.AtOnce == 0 {
		o.AtOnce = 64
	}
	if o.BMC == nil {
		o.BMC = func(h *pxepilot.Host) string { return h.Name }
	}
	f := &Fleet{o: o, gate: newGate(o.AtOnce), machines: map[string]*machine{}, turns: map[string]chan struct{}{}}
	f.ctx, f.stop = context.WithCancel(context.Background())
	return f
}

// Update makes the fleet that of an inventory. Controllers of hosts that are
// driven as before are kept.
func (f *Fleet) Update(inv *pxepilot.Inventory) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.view = nil
	next := make(map[string]*machine, len(f.machines))
	for _, h := range inv.Hosts() {
		key := f.o.Key(h)
		if key == "" {
			continue
		}
		if m := f.machines[h.Name]; m != nil && m.key == key {
			m.host = h
			next[h.Name] = m
			delete(f.machines, h.Name)
			continue
		}
		m := &machine{turn: f.turn(h), host: h, key: key}
		m.known.State = pxepilot.PowerUnknown
		if m.ctl, m.broken = f.o.Make(h); m.broken != nil {
			m.known.At, m.known.Problem = time.Now(), pxepilot.ErrorMessage(m.broken)
		}
		next[h.Name] = m
	}
	for _, m := range f.machines {
		f.retire(m)
	}
	f.machines = next
}

// turn is that of a host's BMC.
func (f *Fleet) turn(h *pxepilot.Host) chan struct{} {
	bmc := f.o.BMC(h)
	if f.turns[bmc] == nil {
		f.turns[bmc] = make(chan struct{}, 1)
	}
	return f.turns[bmc]
}

// retire closes a machine's controller once what is under way has ended.
func (f *Fleet) retire(m *machine) {
	m.gone = true
	if m.idle != nil {
		m.idle.Stop()
	}
	ctl := m.ctl
	if ctl == nil {
		return
	}
	f.wg.Go(func() {
		m.turn <- struct{}{}
		_ = ctl.Close()
		<-m.turn
	})
}

// Close ends all sessions and whatever goes on behind lists.
func (f *Fleet) Close() {
	f.mu.Lock()
	f.closed = true
	f.stop()
	for _, m := range f.machines {
		f.retire(m)
	}
	f.machines = nil
	f.mu.Unlock()
	f.wg.Wait()
}

// Forget has the addresses of BMCs looked at again. One that failed and is
// elsewhere by now was never asked.
func (f *Fleet) Forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.view = nil
	for _, m := range f.machines {
		if m.known.Problem != "" && m.broken == nil && f.o.Address(m.host) != m.at {
			m.known = pxepilot.PowerKnowledge{State: pxepilot.PowerUnknown}
		}
	}
}

// Known tells what is known of all machines. What is older than Fresh is asked
// anew behind it. Where machines were never asked before it waits for them,
// Patience at most.
func (f *Fleet) Known(ctx context.Context) *pxepilot.PowerView {
	wait := f.refresh()
	if len(wait) > 0 {
		patience := time.NewTimer(f.o.Patience)
		defer patience.Stop()
	waiting:
		for _, answered := range wait {
			select {
			case <-answered:
			case <-patience.C:
				break waiting
			case <-ctx.Done():
				break waiting
			}
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.view == nil {
		f.view = f.look()
	}
	return f.view
}

// look makes a view of what is known now.
func (f *Fleet) look() *pxepilot.PowerView {
	v := &pxepilot.PowerView{Hosts: make(map[string]pxepilot.PowerKnowledge, len(f.machines))}
	for _, m := range f.machines {
		k := m.known
		k.Address = f.o.Address(m.host)
		v.Hosts[m.host.Name] = k
	}
	return v
}

// refresh asks the machines whose state is old, and returns what to wait for:
// the answers of those that were not asked before, unless there was patience with
// them already.
func (f *Fleet) refresh() []chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	var wait []chan struct{}
	now := time.Now()
	for _, m := range f.machines {
		fresh := f.o.Fresh
		if m.known.Problem != "" {
			fresh *= reluctant
		}
		if m.asking == nil && !f.closed && (m.due || now.Sub(m.known.At) >= fresh) {
			m.asking, m.since = make(chan struct{}), now
			h := m.host
			f.wg.Go(func() {
				_, _ = f.State(f.ctx, h)
				f.mu.Lock()
				close(m.asking)
				m.asking = nil
				f.mu.Unlock()
			})
		}
		if m.asking != nil && m.known.At.IsZero() && now.Sub(m.since) < f.o.Patience {
			wait = append(wait, m.asking)
		}
	}
	return wait
}

// Address is where a host's BMC is, as far as that is known.
func (f *Fleet) Address(h *pxepilot.Host) string { return f.o.Address(h) }

// State asks a machine now.
func (f *Fleet) State(ctx context.Context, h *pxepilot.Host) (state pxepilot.PowerState, err error) {
	err = f.operate(ctx, h, func(ctx context.Context, m *machine) error {
		at := f.where(m)
		state, err = m.ctl.State(ctx)
		if err != nil {
			state = pxepilot.PowerUnknown
		}
		f.learn(m, at, state, err)
		return err
	})
	return state, err
}

// Do has an action begun.
func (f *Fleet) Do(ctx context.Context, h *pxepilot.Host, a pxepilot.PowerAction) error {
	return f.operate(ctx, h, func(ctx context.Context, m *machine) error {
		err := m.ctl.Do(ctx, a)
		f.mu.Lock()
		m.due = true
		f.mu.Unlock()
		return err
	})
}

// BootNext sets what a machine boots from the next time, once.
func (f *Fleet) BootNext(ctx context.Context, h *pxepilot.Host, d pxepilot.BootDevice) error {
	return f.operate(ctx, h, func(ctx context.Context, m *machine) error {
		return m.ctl.BootNext(ctx, d, h.Firmware)
	})
}
