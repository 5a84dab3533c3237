package cli

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"
)

// mostAtOnce is how many hosts are driven at once unasked, as the server has it,
// too: the power supply of a rack may not bear more machines that start together,
// and so a slip of the hand does not drive a whole site.
const mostAtOnce = 16

// defaultPause lets the machines of a wave get over their start, in which they
// take the most power.
const defaultPause = 10 * time.Second

// waves are the options of the commands that drive machines.
type waves struct {
	batch     int
	pause     time.Duration
	maxFail   int
	allAtOnce bool
}

func (w *waves) options(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVar(&w.batch, "batch", 0, "Drive `N` hosts at a time, in waves")
	flags.DurationVar(&w.pause, "pause", defaultPause, "Wait so long between two waves")
	flags.IntVar(&w.maxFail, "max-fail", 0, "Stop after a wave when more than `N` hosts have failed")
	flags.BoolVar(&w.allAtOnce, "all-at-once", false, fmt.Sprintf("Drive even more than %d hosts at once; mind the rack's power supply", mostAtOnce))
}

// check refuses options that do not fit each other or so many hosts.
func (w *waves) check(cmd *cobra.Command, hosts int) error {
	given := cmd.Flags().Changed
	switch {
	case given("batch") && w.batch < 1:
		return wrongUsage(cmd, "option --batch: %d: want 1 or more", w.batch)
	case w.pause < 0:
		return wrongUsage(cmd, "option --pause: %s: want no less than nothing", w.pause)
	case w.maxFail < 0:
		return wrongUsage(cmd, "option --max-fail: %d: want 0 or more", w.maxFail)
	case given("batch") && w.allAtOnce:
		return wrongUsage(cmd, "--batch and --all-at-once exclude each other")
	}
	for _, option := range []string{"pause", "max-fail", "switch-first"} {
		if given(option) && !given("batch") {
			return wrongUsage(cmd, "--%s needs --batch", option)
		}
	}
	if hosts > mostAtOnce && w.batch == 0 && !w.allAtOnce {
		return wrongUsage(cmd, "%d hosts are more than %d, which may be too much at once for a rack's power supply; "+
			"give --batch N for waves of N, or --all-at-once", hosts, mostAtOnce)
	}
	return nil
}

// of cuts hosts into waves.
func (w *waves) of(hosts []string) [][]string {
	size := len(hosts)
	if w.batch > 0 {
		size = w.batch
	}
	return slices.Collect(slices.Chunk(hosts, max(size, 1)))
}

// plan says beforehand what will be done; it is empty where that is one wave.
func (w *waves) plan(hosts int) string {
	if w.batch == 0 || hosts <= w.batch {
		return ""
	}
	size := fmt.Sprint(w.batch)
	if hosts%w.batch != 0 {
		size = "up to " + size
	}
	apart := "without a pause"
	if w.pause > 0 {
		apart = w.pause.String() + " apart"
	}
	stop := "a host has failed"
	if w.maxFail > 0 {
		stop = counted(w.maxFail+1, "host") + " have failed"
	}
	return fmt.Sprintf("%d hosts in %d waves of %s, %s; no further wave once %s", hosts, (hosts+w.batch-1)/w.batch, size, apart, stop)
}

// inWaves drives hosts wave by wave: act does it for one, and tells of each host.
// It ends early where act fails, where too many hosts did, or with ctx.
func (p *program) inWaves(ctx context.Context, w *waves, hosts []string, act func(ctx context.Context, wave []string, told func(failed bool)) error) error {
	all := w.of(hosts)
	t := &tally{of: len(all)}
	stop := p.progress(ctx, func(context.Context) string { return t.line() })
	defer stop()
	for i, wave := range all {
		t.begin(len(wave))
		if err := act(ctx, wave, t.told); err != nil {
			return err
		}
		if i == len(all)-1 {
			break
		}
		if t.failed > w.maxFail {
			return fmt.Errorf("stopped after wave %d of %d: %s failed, and --max-fail is %d", i+1, len(all), counted(t.failed, "host"), w.maxFail)
		}
		if err := t.rest(ctx, w.pause); err != nil {
			return undoubtedError{err}
		}
	}
	return nil
}

// A tally is how far the waves are. A progress line reads it meanwhile.
type tally struct {
	of int // waves

	mu          sync.Mutex
	wave        int
	hosts, done int // of this wave
	failed      int // of all waves
	began       time.Time
	next        time.Time // when the next wave begins; zero while one is under way
}

func (t *tally) begin(hosts int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wave, t.hosts, t.done = t.wave+1, hosts, 0
	t.began, t.next = time.Now(), time.Time{}
}

func (t *tally) told(failed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done++
	if failed {
		t.failed++
	}
}

// rest waits between two waves.
func (t *tally) rest(ctx context.Context, pause time.Duration) error {
	t.mu.Lock()
	t.next = time.Now().Add(pause)
	t.mu.Unlock()
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}

func (t *tally) line() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var line string
	switch {
	case !t.next.IsZero():
		line = fmt.Sprintf("wave %d of %d is done, %s until the next", t.wave, t.of, time.Until(t.next).Round(time.Second))
	case t.done == 0:
		line = fmt.Sprintf("%s, %s", counted(t.hosts, "host"), time.Since(t.began).Truncate(time.Second))
	default:
		line = fmt.Sprintf("%d of %s, %s", t.done, counted(t.hosts, "host"), time.Since(t.began).Truncate(time.Second))
	}
	if t.of > 1 && t.next.IsZero() {
		line = fmt.Sprintf("wave %d of %d: %s", t.wave, t.of, line)
	}
	if t.failed > 0 {
		line += fmt.Sprintf("; %d failed", t.failed)
	}
	return line
}
