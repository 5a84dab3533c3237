// Package ipmi drives a machine through its BMC by IPMI 2.0 over LAN (RMCP+):
// what ipmitool calls lanplus, without a process per question and without a
// password in an argument list.
//
// A Controller (here) keeps one session to one BMC and knows what may be asked
// again and what must not. A session (session.go) is a login: the handshake of
// section 13.15, then commands, each sealed and numbered. A wire (wire.go) is
// the socket, where answers are waited for. Packets, keys and the words for
// what a BMC refuses are pure (packet.go, suite.go, words.go). Sections and
// tables are those of the IPMI 2.0 specification, revision 1.1.
//
// The protocol is done here rather than by a library because what arrives must
// not be trusted: every datagram is checked against the session's keys before
// anything in it is believed.
package ipmi

import (
	"context"
	"errors"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// Port is where BMCs listen (UDP, section 13.1.2).
const Port = 623

// Options say which BMC and how. Functions are asked whenever a session is
// opened, Address at every call, so that what they tell may change.
type Options struct {
	Name    string                                // of the host, for errors
	Address func(context.Context) (string, error) // name or IP address, without a port
	Port    int                                   // Port unless told
	User    string
	// Password is asked for when a session is opened.
	Password func() (pxepilot.Secret, error)
	// CipherSuite is 17 or 3; below zero, 17 is tried and then 3.
	CipherSuite int
	// Idle is how long a session is kept that nobody uses; zero ends it with
	// each call. BMCs end theirs after 60 s (section 6.12.15).
	Idle time.Duration
}

// A Controller drives the machine of one BMC. It may be used by several
// goroutines, which then wait for each other: a BMC wants one question at a
// time.
type Controller struct {
	o Options

	turn    chan struct{} // holds one token while nobody is at it
	session *session      // nil while none is kept
	suite   *suite        // that the BMC at address took last; nil when not known
	address string        // of the BMC that suite belongs to
	expiry  *time.Timer   // ends the session that is kept
}

// New makes a controller. Nothing is sent before something is asked.
func New(o Options) *Controller {
	if o.Port == 0 {
		o.Port = Port
	}
	c := &Controller{o: o, turn: make(chan struct{}, 1)}
	c.turn <- struct{}{}
	return c
}

// State asks for the chassis status (section 28.2).
func (c *Controller) State(ctx context.Context) (pxepilot.PowerState, error) {
	state := pxepilot.PowerUnknown
	err := c.hold(ctx, "power status", func(p *place) error {
		var err error
		state, err = repeatable(ctx, c, p, func(s *session) (pxepilot.PowerState, error) { return s.status(ctx) })
		return err
	})
	if err != nil {
		return pxepilot.PowerUnknown, err
	}
	return state, nil
}

// controls are the actions as chassis control numbers them (table 28-4).
var controls = map[pxepilot.PowerAction]byte{
	pxepilot.ActionOff:     0,
	pxepilot.ActionOn:      1,
	pxepilot.ActionCycle:   2,
	pxepilot.ActionReset:   3,
	pxepilot.ActionSoftOff: 5,
}

// Do sends a chassis control (section 28.3) in one datagram, once, in a session
// that has answered just before. What became of it is not known when no answer
// comes: the error says so, and nothing is sent again.
func (c *Controller) Do(ctx context.Context, a pxepilot.PowerAction) error {
	control, ok := controls[a]
	return c.hold(ctx, "power "+string(a), func(p *place) error {
		if !ok {
			return unknownTo("IPMI", "power action", string(a))
		}
		s, err := repeatable(ctx, c, p, func(s *session) (*session, error) {
			if s.fresh {
				return s, nil
			}
			_, err := s.status(ctx)
			return s, err
		})
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return giveUp(ctx, 0, 0)
		}
		err = s.once(ctx, chassisControl, control)
		if err != nil && !isCompletion(err) {
			c.drop()
			return &unsure{err}
		}
		return err
	})
}

// BootNext sets the boot flags (section 28.12, table 28-14) for one boot.
func (c *Controller) BootNext(ctx context.Context, d pxepilot.BootDevice, f pxepilot.Firmware) error {
	device, ok := devices[d]
	return c.hold(ctx, "next boot "+string(d), func(p *place) error {
		if !ok {
			return unknownTo("IPMI", "boot device", string(d))
		}
		_, err := repeatable(ctx, c, p, func(s *session) (struct{}, error) {
			return struct{}{}, s.bootNext(ctx, device, f)
		})
		return err
	})
}

// Close ends the session, if there is one, after the call that is under way.
// The controller can be used again and then opens another.
func (c *Controller) Close() error {
	<-c.turn
	defer func() { c.turn <- struct{}{} }()
	c.end()
	return nil
}

// place is where the BMC of a call is.
type place struct {
	host, address string
	port          int
}

// hold runs do alone, with the BMC's address at hand, and words its error.
func (c *Controller) hold(ctx context.Context, what string, do func(*place) error) error {
	p := &place{host: c.o.Name, port: c.o.Port}
	var err error
	if p.address, err = c.o.Address(ctx); err != nil {
		return word(p, c.o.User, what, err)
	}
	select {
	case <-c.turn:
	case <-ctx.Done():
		return word(p, c.o.User, what, &busy{ctx.Err()})
	}
	defer func() { c.turn <- struct{}{} }()
	if ctx.Err() != nil {
		return word(p, c.o.User, what, giveUp(ctx, 0, 0))
	}
	c.awake()
	if p.address != c.address {
		c.end()
		c.address, c.suite = p.address, nil
	}
	err = do(p)
	c.doze()
	if err != nil {
		return word(p, c.o.User, what, err)
	}
	return nil
}

// repeatable asks what may be asked any number of times: when a session that
// was kept turns out to be lost, once more in a new one.
func repeatable[T any](ctx context.Context, c *Controller, p *place, ask func(*session) (T, error)) (T, error) {
	if kept := c.session; kept != nil {
		kept.fresh = false
		answer, err := ask(kept)
		if !lost(err) {
			return answer, err
		}
		c.drop()
		if ctx.Err() != nil {
			return answer, err
		}
	}
	if err := c.open(ctx, p); err != nil {
		var none T
		return none, err
	}
	answer, err := ask(c.session)
	if lost(err) {
		c.drop()
	}
	return answer, err
}

// open logs in by the suite that the BMC is known to take; else by each, best
// first, until one is not refused.
func (c *Controller) open(ctx context.Context, p *place) error {
	try, err := wanted(c.o.CipherSuite, c.suite)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, s := range try {
		c.session, err = login(ctx, p, s, c.o.User, c.o.Password)
		if err == nil {
			c.suite = s
			return nil
		}
		// Some BMCs are silent on a suite that they do not know.
		var no *refusal
		var quiet *silence
		if errors.As(err, &no) && no.ofSuite() || errors.As(err, &quiet) && c.suite == nil {
			continue
		}
		break
	}
	return err
}

// end logs out, so that the BMC has a session to spare.
func (c *Controller) end() {
	c.awake()
	if c.session != nil {
		c.session.logout()
		c.session.wire.close()
		c.session = nil
	}
}

// drop gives up a session that the BMC seems to have lost.
func (c *Controller) drop() {
	if c.session != nil {
		c.session.leave()
		c.session = nil
	}
}

// awake and doze stop and start the time that a session is kept for.
func (c *Controller) awake() {
	if c.expiry != nil {
		c.expiry.Stop()
		c.expiry = nil
	}
}

func (c *Controller) doze() {
	switch {
	case c.session == nil:
	case c.o.Idle <= 0:
		c.end()
	default:
		kept := c.session
		c.expiry = time.AfterFunc(c.o.Idle, func() {
			<-c.turn
			defer func() { c.turn <- struct{}{} }()
			// It may have been used again, or replaced, while this waited.
			if c.session == kept && time.Since(kept.used) >= c.o.Idle {
				c.end()
			}
		})
	}
}
