package ipmi_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/power/ipmi"
	"github.com/pxe-pilot/pxe-pilot/internal/power/powertest"
)

// A liar turns what a BMC answers into what the fuzzer says.
type liar struct {
	mu     sync.Mutex
	script []byte
	past   [][]byte // what was answered before, for sending it again
}

// next is one byte of the script, zero at its end: an honest answer.
func (l *liar) next() byte {
	if len(l.script) == 0 {
		return 0
	}
	b := l.script[0]
	l.script = l.script[1:]
	return b
}

func (l *liar) answer(a []byte) [][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.past = append(l.past, slices.Clone(a))
	b := slices.Clone(a)
	switch l.next() % 10 {
	case 1: // nothing
		return nil
	case 2: // half a packet
		return [][]byte{b[:int(l.next())%(len(b)+1)]}
	case 3: // bits of it changed
		for n := l.next() % 4; n < 4; n++ {
			b[int(l.next())%len(b)] ^= l.next()
		}
		return [][]byte{b}
	case 4: // an old one in its place
		return [][]byte{l.past[int(l.next())%len(l.past)]}
	case 5: // an old one before it
		return [][]byte{l.past[int(l.next())%len(l.past)], b}
	case 6: // twice
		return [][]byte{b, b}
	case 7: // more behind it
		return [][]byte{append(b, l.script...)}
	case 8: // a length that is not so
		if len(b) > 15 {
			b[14], b[15] = l.next(), l.next()
		}
		return [][]byte{b}
	case 9: // anything
		n := min(int(l.next()), len(l.script))
		return [][]byte{slices.Clone(l.script[:n]), {}}
	}
	return [][]byte{b}
}

// Whatever a BMC answers: no panic, no waiting beyond the deadline, never a
// state that is not the machine's, and an action at most once.
func FuzzAnswers(f *testing.F) {
	for _, seed := range [][]byte{
		{}, {1, 1, 1, 1}, {0, 2, 3}, {0, 0, 2, 20}, {0, 0, 0, 0, 2, 17}, {0, 0, 0, 0, 0, 2, 31},
		{0, 0, 0, 0, 3, 0, 5, 128}, {0, 0, 0, 0, 0, 3, 3, 16, 1}, {0, 0, 0, 0, 0, 0, 4, 5}, {0, 0, 0, 0, 0, 0, 5, 4, 5, 5},
		{6, 6, 6, 6, 6, 6, 6, 6}, {7, 7, 7, 7, 7, 7}, {8, 255, 255}, {0, 0, 0, 0, 0, 8, 15, 0}, {9, 5, 6, 0, 255, 7, 6},
		{0, 3, 3, 17, 2}, {0, 0, 3, 3, 17, 15}, {0, 3, 3, 16 + 12 + 4, 3},
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, script []byte, old bool) {
		suites := []int{3, 17}
		if old {
			suites = []int{3}
		}
		m, bmc := fake(t, powertest.Well, suites...)
		l := &liar{script: script}
		bmc.Tamper(l.answer)
		c := ipmi.New(options(bmc.Addr()))
		defer func() { _ = c.Close() }()
		deadline := func() context.Context {
			ctx, cancel := context.WithTimeout(t.Context(), 40*time.Millisecond)
			t.Cleanup(cancel)
			return ctx
		}
		began := time.Now()
		for _, on := range []bool{false, true, false, true} {
			m.Press(on)
			got, err := c.State(deadline())
			if err == nil && (got == pxepilot.PowerOn) != on || err != nil && got != pxepilot.PowerUnknown {
				t.Errorf("State = %q, %v; the machine is on: %v", got, err, on)
			}
		}
		err := c.Do(deadline(), pxepilot.ActionReset)
		if n := len(m.Actions()); n > 1 || err == nil && n != 1 {
			t.Errorf("%d actions reached the machine, error %v", n, err)
		}
		err = c.BootNext(deadline(), pxepilot.BootPXE, pxepilot.UEFI)
		if d := m.Next().Device; err == nil && d != pxepilot.BootPXE {
			t.Errorf("would boot %q, and no error", d)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("took %s", took)
		}
	})
}
