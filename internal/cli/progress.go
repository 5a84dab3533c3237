package cli

import (
	"context"
	"fmt"
	"io"
	"time"
)

// refresh is how often a progress line is written anew. What is done sooner
// shows none.
const refresh = 250 * time.Millisecond

// progress keeps a line on the terminal, where a person looks at stderr, until
// the returned function is called: nothing else is written there meanwhile. An
// empty line leaves what is there.
func (p *program) progress(ctx context.Context, line func(context.Context) string) (stop func()) {
	if !p.StderrTTY || p.debug || p.Env != nil && p.Env("TERM") == "dumb" {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		tick := time.NewTicker(refresh)
		defer tick.Stop()
		shown := ""
		for {
			select {
			case <-ctx.Done():
				if shown != "" {
					_, _ = io.WriteString(p.Stderr, "\r\x1b[K")
				}
				return
			case <-tick.C:
				if now := clean(line(ctx)); now != "" && now != shown {
					_, _ = fmt.Fprintf(p.Stderr, "\r%s\x1b[K", now)
					shown = now
				}
			}
		}
	}()
	return func() { cancel(); <-gone }
}

// waiting keeps such a line for one request that may take long.
func (p *program) waiting(ctx context.Context, what string) (stop func()) {
	began := time.Now()
	return p.progress(ctx, func(context.Context) string {
		return fmt.Sprintf("%s, %s", what, time.Since(began).Truncate(time.Second))
	})
}
