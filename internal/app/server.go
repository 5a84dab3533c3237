package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/config"
	"github.com/pxe-pilot/pxe-pilot/internal/httpapi"
	"github.com/pxe-pilot/pxe-pilot/internal/inventory"
	"github.com/pxe-pilot/pxe-pilot/internal/neighbour"
	"github.com/pxe-pilot/pxe-pilot/internal/pilot"
)

// A Server is "pxe-pilot server" as a value that a test can start on port 0.
type Server struct {
	Config string                                              // path of the configuration file
	State  string                                              // directory of what outlives the server, unless the file names one
	Env    func(string) string                                 // like os.Getenv
	Log    *slog.Logger                                        //
	Ready  func(url string, s *pilot.Pilot)                    // called once it answers; may be nil
	Listen func(network, address string) (net.Listener, error) // neighbour.Listen unless told otherwise
}

// grace is how long requests that are under way may go on after the server was
// told to stop: as long as machines take at most that a deploy reboots. What is
// done after a switch may take longer and be cut off; then no machine is rebooted.
const grace = time.Minute

// lastWords is how long answers may take that what is done after a switch was cut
// off.
const lastWords = 5 * time.Second

func newLogger(w io.Writer, debug bool) *slog.Logger {
	level := slog.LevelInfo
	if debug {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// Run reads the configuration file, resolves what a crash left, and serves until
// ctx ends. It does not start where the file has an error.
func (s *Server) Run(ctx context.Context) error {
	// From the first moment on: whom SIGHUP finds unprepared it ends.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	var store *inventory.Store[state]
	bmcs := newBMCs(func() string { return s.stateOf(store.Current()).Directory }, s.Log)
	drivers := &drivers{bmcs: bmcs, env: s.Env}
	fleet := drivers.fleet()
	defer fleet.Close()
	// After the grace nothing goes on that was begun after a switch.
	alive, cutOff := context.WithCancel(context.WithoutCancel(ctx))
	defer cutOff()
	store = inventory.New(func() (*state, []string, error) {
		now, paths, err := build(s.Config, s.Log)
		if err == nil {
			now.site.AfterSwitch = during(alive, now.site.AfterSwitch, s.Log)
		}
		return now, paths, err
	})
	store.Swapped = func(now *state) {
		drivers.adapters.Store(&now.adapters)
		drivers.authorities.Store(&now.authorities)
		fleet.Update(now.site.Inventory)
	}
	if err := store.Load(); err != nil {
		return err
	}
	first := store.Current()
	for _, w := range first.warnings {
		s.Log.Warn(w.String())
	}
	if err := first.root.Recover(ctx); err != nil {
		// Machines boot and lists are answered all the same, if there is a root; the
		// next change tries again.
		s.Log.Error("the TFTP root was not looked at for what a crash may have left; changes are refused until it is", "error", err)
	}
	diary := newDiary(s.stateOf(first), s.Log)
	defer diary.close()
	fly := pilot.New(func() *pilot.Site { return store.Current().site }, store.Err, pilot.Options{
		Power: fleet, Discoverer: bmcs,
		Journal: diary, Required: func() bool { return store.Current().kept.Required }, Clock: bootClock(s.Env), Log: s.Log,
	})
	fly.Begin(ctx)
	hostname, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("the machine's name: %w", err)
	}
	handler := httpapi.New(fly, httpapi.Options{
		Logger:       s.Log,
		AllowedHosts: func() []string { return store.Current().server.AllowedHosts },
		Hostname:     hostname,
		Boot:         func() bool { return store.Current().server.Boot },
	})
	opened := s.openedBy(first)
	listener, url, err := s.listen(ctx, store, opened)
	if err != nil {
		return err
	}
	s.Log.Info("serving", "url", url, "root", store.Current().root.Path(), "hosts", len(first.site.Inventory.Hosts()))
	server := httpapi.Server(handler, s.Log)
	server.ConnContext = httpapi.Callers(callers(func() *pxepilot.Inventory { return store.Current().site.Inventory }))
	return together(ctx,
		func(ctx context.Context) error { return serve(ctx, server, listener, cutOff, s.Log) },
		func(ctx context.Context) error {
			return store.Watch(ctx, s.Log, func(err error) { s.reloaded(store, opened, err) })
		},
		fly.Watch,
		fly.Expire,
		diary.tend,
		func(ctx context.Context) error { return s.onHangup(ctx, hangups, store, opened) },
		func(context.Context) error {
			if s.Ready != nil {
				s.Ready(url, fly)
			}
			return nil
		},
	)
}

// An opening is what the configuration file says about what is opened once: it does
// not follow a reload.
type opening struct {
	address     string
	port        int
	certificate *tls.Certificate // the first one; nil without TLS
	state       config.State
}

func (s *Server) openedBy(now *state) opening {
	return opening{now.server.Address, now.server.Port, now.certificate, s.stateOf(now)}
}

// stateOf is where and how long is kept what outlives the server.
func (s *Server) stateOf(now *state) config.State {
	kept := now.kept
	kept.Directory = cmp.Or(kept.Directory, s.State)
	return kept
}

// listen opens the port that the configuration file names, and returns the URL
// by which this machine reaches it.
func (s *Server) listen(ctx context.Context, store *inventory.Store[state], server opening) (net.Listener, string, error) {
	listen := s.Listen
	if listen == nil {
		listen = func(network, address string) (net.Listener, error) { return neighbour.Listen(ctx, network, address) }
	}
	address := net.JoinHostPort(server.address, strconv.Itoa(server.port))
	l, err := listen("tcp", address)
	if err != nil {
		hint := ""
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
			hint = "; another program, or another server of this one, has it: set server.port"
		case errors.Is(err, syscall.EACCES):
			hint = "; ports below 1024 need a privilege: set server.port"
		}
		return nil, "", fmt.Errorf("cannot listen on %s: %w%s", address, err, hint)
	}
	host := server.address
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return nil, "", errors.Join(err, l.Close())
	}
	if server.certificate == nil {
		return l, "http://" + net.JoinHostPort(host, port), nil
	}
	l = tls.NewListener(l, &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if c := store.Current().certificate; c != nil {
				return c, nil
			}
			return server.certificate, nil // server.tls was removed, which waits for a restart
		},
	})
	return l, "https://" + net.JoinHostPort(host, port), nil
}

// serve answers requests until ctx ends, and then lets those under way end. What
// takes too long for that is cut off.
func serve(ctx context.Context, server *http.Server, l net.Listener, cutOff func(), log *slog.Logger) error {
	stopped := make(chan error, 1)
	within := func(d time.Duration) error {
		patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), d)
		defer cancel()
		return server.Shutdown(patience)
	}
	go func() {
		<-ctx.Done()
		log.Info("stopping")
		err := within(grace)
		if cutOff(); err != nil {
			err = within(lastWords)
		}
		stopped <- errors.Join(err, server.Close())
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

// onHangup reloads on SIGHUP.
func (s *Server) onHangup(ctx context.Context, hangups <-chan os.Signal, store *inventory.Store[state], opened opening) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangups:
			s.reloaded(store, opened, store.Reload())
		}
	}
}

// reloaded logs what came of a reload, and what of it has to wait for a restart.
func (s *Server) reloaded(store *inventory.Store[state], opened opening, err error) {
	if err != nil {
		s.Log.Error("the configuration file was not reloaded; the last good state stays in force", "error", err)
		return
	}
	now := store.Current()
	for _, w := range now.warnings {
		s.Log.Warn(w.String())
	}
	for _, key := range opened.differs(s.openedBy(now)) {
		s.Log.Warn(key + " was changed, which has no effect before the server is restarted")
	}
	s.Log.Info("the configuration file was reloaded", "hosts", len(now.site.Inventory.Hosts()))
}

// differs lists the keys of the configuration file in which two openings differ.
func (o opening) differs(now opening) []string {
	var keys []string
	for _, k := range []struct {
		key     string
		differs bool
	}{
		{"server.port", o.port != now.port},
		{"server.address", o.address != now.address},
		{"server.tls", (o.certificate == nil) != (now.certificate == nil)},
		{"state.directory", o.state.Directory != now.state.Directory},
		{"state.keep", o.state.Keep != now.state.Keep},
		{"state.max_size", o.state.MaxSize != now.state.MaxSize},
	} {
		if k.differs {
			keys = append(keys, k.key)
		}
	}
	return keys
}

// together runs tasks until ctx ends or one of them fails, and waits for all.
func together(ctx context.Context, tasks ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(tasks))
	var wg sync.WaitGroup
	for i, task := range tasks {
		wg.Go(func() {
			if errs[i] = task(ctx); errs[i] != nil {
				cancel()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
