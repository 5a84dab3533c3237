package cli

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/client"
)

// maxRequests is how many requests are under way at a time; the server drives no
// more machines at once either.
const maxRequests = 64

// A gathering is one request for each of many hosts, and what came of them.
type gathering struct {
	names   []string
	reading bool // no request changes anything
	do      func(ctx context.Context, name string) (powered, error)

	mu     sync.Mutex
	rows   map[string]powered // of the hosts that were reached
	unsure bool               // one of them is
}

// wave asks for some of the hosts, many at a time. What is wrong with one host is
// told in its row. What is wrong with all of them is the error, and none is begun
// any more.
func (g *gathering) wave(ctx context.Context, names []string, told func(failed bool)) error {
	var (
		wg    sync.WaitGroup
		fatal error // guarded by g.mu
		slots = make(chan struct{}, maxRequests)
	)
	over := func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		if fatal == nil {
			fatal = ctx.Err()
		}
		return fatal != nil
	}
	for _, name := range names {
		slots <- struct{}{}
		if over() {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			row, err := g.do(ctx, name)
			g.mu.Lock()
			defer g.mu.Unlock()
			row.Name = name
			switch {
			case err == nil:
			case ofOneHost(err):
				row.Problem = err.Error()
			default:
				if fatal == nil {
					fatal = err
				}
				if g.reading || !inDoubt(err) {
					return // as if it had not been reached
				}
				row.Problem, row.unsure, g.unsure = noAnswer, true, true
			}
			if g.rows == nil {
				g.rows = map[string]powered{}
			}
			g.rows[name] = row
			told(err != nil)
		})
	}
	wg.Wait()
	return fatal
}

// sorted are the rows in the order of the names, and the hosts without one.
func (g *gathering) sorted() (rows []powered, left []string) {
	rows = []powered{}
	for _, name := range g.names {
		if r, ok := g.rows[name]; ok {
			rows = append(rows, r)
		} else {
			left = append(left, name)
		}
	}
	return rows, left
}

// told says whether a row tells more than that no answer came.
func (g *gathering) told() bool {
	for _, r := range g.rows {
		if !r.unsure {
			return true
		}
	}
	return false
}

// ofOneHost says whether others may do well where one host was refused.
func ofOneHost(err error) bool {
	var refused *client.Error
	return errors.As(err, &refused) && refused.Status != http.StatusUnauthorized && refused.Status != http.StatusForbidden
}

// ofHost begins a problem with the host's name, unless it tells that already.
func ofHost(name, problem string) string {
	quoted := "host " + pxepilot.Quote(name)
	if strings.Contains(problem, quoted) || strings.HasPrefix(problem, "host "+name+":") {
		return problem
	}
	return quoted + ": " + problem
}

// noteLeft names the hosts that something was not done to, all of them, for who
// goes on later needs them.
func (p *program) noteLeft(what string, hosts []string) {
	p.say("note", what+": "+strings.Join(hosts, ", "))
}
