package neighbour

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestPacer(t *testing.T) {
	for _, tt := range []struct {
		rate, packets int
		want          time.Duration
	}{
		{10_000, 30_000, 3 * time.Second},
		{250, 1000, 4 * time.Second},
		{1, 3, 2 * time.Second},
		{0, 1_000_000, 0},
		{2_000_000_000, 1000, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, start := newPacer(tt.rate), time.Now()
			for range tt.packets {
				if err := p.wait(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if took := time.Since(start); (took - tt.want).Abs() > 2*late {
				t.Errorf("%d packets at %d a second took %s, want %s", tt.packets, tt.rate, took, tt.want)
			}
		})
	}
}

// However long the sender was held up, it does not make up for all of it.
func TestPacerAfterStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(10_000)
		_ = p.wait(t.Context())
		if err := pause(t.Context(), time.Minute); err != nil {
			t.Fatal(err)
		}
		start, burst := time.Now(), 0
		for time.Since(start) == 0 {
			_ = p.wait(t.Context())
			burst++
		}
		if most := int((late+early)/(time.Second/10_000)) + 2; burst > most {
			t.Errorf("%d packets left at once, want %d at most", burst, most)
		}
	})
}

func TestPacerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := newPacer(1)
		_ = p.wait(ctx)
		go cancel()
		start := time.Now()
		if err := errors.Join(p.wait(ctx), p.wait(ctx)); !errors.Is(err, context.Canceled) || time.Since(start) > 0 {
			t.Errorf("got %v after %s", err, time.Since(start))
		}
		if err := newPacer(0).wait(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("unpaced: got %v", err)
		}
	})
}
