package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"

	"github.com/rosterd/rosterd/app"
	"github.com/rosterd/rosterd/config"
	"github.com/rosterd/rosterd/store"
	rostersync "github.com/rosterd/rosterd/sync"
)

type loader func() (*config.Config, error)

// serve is rosterd run.
func serve(ctx context.Context, load loader, errOut io.Writer) error {
	hangups := make(chan os.Signal, 1) // from the start: a SIGHUP must not end a daemon that is starting
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	limitMemory()
	shareProcessors()
	cfg, err := load()
	if err != nil {
		return unusable(err)
	}
	log, level := logger(errOut, cfg.Log)
	slog.SetDefault(log)
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("unusable watchdog settings", "err", err)
	}
	a, err := app.New(cfg, app.Options{Version: version, Log: log, Level: level, Notify: notify, Watchdog: watchdog})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group errgroup.Group
	group.Go(func() error {
		defer cancel()
		return a.Run(ctx)
	})
	group.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-hangups:
				refused(log, a.Reload(ctx, load))
			}
		}
	})
	return group.Wait()
}

// refused logs why a reload was refused, a line for each mistake in the file.
func refused(log *slog.Logger, err error) {
	if err == nil {
		return
	}
	problems, ok := errors.AsType[config.Problems](err)
	if !ok {
		log.Error("reload refused, the configuration before stays in force", "err", err, "reason", app.Hint(err))
		return
	}
	for _, p := range problems {
		log.Error("reload refused, the configuration before stays in force", "err", p.Error())
	}
}

// checkAll is rosterd check.
func checkAll(ctx context.Context, load loader, online bool, out io.Writer) error {
	cfg, err := load()
	if err != nil {
		return err
	}
	ok := app.Check(ctx, cfg, app.Checks{Online: online, Report: func(r rostersync.CheckResult) {
		verdict := "ok  "
		if !r.OK {
			verdict = "FAIL"
		}
		fmt.Fprintf(out, "%s  %s: %s\n", verdict, r.Name, r.Detail)
		if r.Hint != "" {
			fmt.Fprintf(out, "      %s\n", r.Hint)
		}
	}})
	if !ok {
		return errSaid
	}
	return nil
}

// migrate is rosterd migrate.
func migrate(ctx context.Context, load loader, out, errOut io.Writer) (err error) {
	cfg, err := load()
	if err != nil {
		return unusable(err)
	}
	log, _ := logger(errOut, cfg.Log)
	db, err := store.Open(ctx, cfg.Database, store.Options{Log: log})
	if err != nil {
		return err
	}
	defer func() {
		if e := db.Close(); err == nil {
			err = e
		}
	}()
	before, _, err := db.SchemaVersion(ctx)
	if err != nil {
		return err
	}
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	after, _, err := db.SchemaVersion(ctx)
	if err != nil {
		return err
	}
	if before == after {
		_, err = fmt.Fprintf(out, "the schema is current: version %d\n", after)
		return err
	}
	_, err = fmt.Fprintf(out, "the schema went from version %d to %d\n", before, after)
	return err
}
