package directory

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// superuserPrefix begins the key of a request among what is kept of the org.
const superuserPrefix = "superuser/"

func superuserKey(userID string) string { return superuserPrefix + userID }

// SuperuserRequests returns the requests that wait.
func (d *Directory) SuperuserRequests(ctx context.Context) (list []dialer.SuperuserRequest, err error) {
	err = d.db.Read(ctx, func(tx *store.Tx) error {
		list = nil
		return each(ctx, tx, func(rows *sql.Rows) error {
			var id, text string
			if err := rows.Scan(&id, &text); err != nil {
				return err
			}
			r, err := d.readRequest(id, text)
			if err == nil {
				list = append(list, r)
			}
			if errors.Is(err, dialer.ErrNoRequest) {
				err = nil
			}
			return err
		}, `SELECT u.id, s.value FROM org_settings s JOIN dialer_users u ON u.org_id = s.org_id AND s.key = $2 || u.id
			WHERE s.org_id = $1 AND s.key LIKE $2 || '%' AND u.status <> 'deleted' ORDER BY u.id`, d.org, superuserPrefix)
	})
	if err != nil {
		return nil, fmt.Errorf("list the requests for superusers: %w", err)
	}
	return list, nil
}

// readRequest reads what is kept of a request, unless it waits no more.
func (d *Directory) readRequest(userID, text string) (r dialer.SuperuserRequest, err error) {
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return r, err
	}
	if !r.Until.After(d.now()) {
		return dialer.SuperuserRequest{}, dialer.ErrNoRequest
	}
	r.UserID = userID
	return r, nil
}

// SuperuserRequest returns the request for a user that waits, or
// dialer.ErrNoRequest.
func (d *Directory) SuperuserRequest(ctx context.Context, userID string) (r dialer.SuperuserRequest, err error) {
	err = d.db.Read(ctx, func(tx *store.Tx) error {
		r, err = d.superuserRequest(ctx, tx, userID)
		return err
	})
	if err != nil {
		return r, fmt.Errorf("read the request for a superuser: %w", err)
	}
	return r, nil
}

func (d *Directory) superuserRequest(ctx context.Context, tx *store.Tx, userID string) (r dialer.SuperuserRequest, err error) {
	rows, err := tx.Query(ctx, "SELECT value FROM org_settings WHERE org_id = $1 AND key = $2", d.org, superuserKey(userID))
	if err != nil {
		return r, err
	}
	defer func() { _ = rows.Close() }()
	if !rows.Next() {
		return r, errors.Join(dialer.ErrNoRequest, rows.Err())
	}
	var text string
	if err := rows.Scan(&text); err != nil {
		return r, err
	}
	return d.readRequest(userID, text)
}

func (d *Directory) dropRequest(ctx context.Context, tx *store.Tx, userID string) error {
	_, err := tx.Exec(ctx, "DELETE FROM org_settings WHERE org_id = $1 AND key = $2", d.org, superuserKey(userID))
	return err
}

// AskSuperuser notes that an administrator wants a user to be a superuser, in
// place of an earlier request.
func (d *Directory) AskSuperuser(ctx context.Context, userID, reason string, by dialer.Actor) (r dialer.SuperuserRequest, err error) {
	r = dialer.SuperuserRequest{UserID: userID, By: by, At: d.now().UTC(), Reason: tidy(reason)}
	r.Until = r.At.Add(dialer.SuperuserTTL)
	err = d.db.Update(ctx, func(tx *store.Tx) error {
		if err := tx.Lock(ctx, "directory", d.org); err != nil {
			return err
		}
		if _, err := d.status(ctx, tx, userID); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO org_settings (org_id, key, value) VALUES ($1, $2, $3)
			ON CONFLICT (org_id, key) DO UPDATE SET value = excluded.value`, d.org, superuserKey(userID), jsonText(r)); err != nil {
			return err
		}
		return d.record(ctx, tx, record{user: userID, verb: dialer.VerbAskSuperuser, note: r.Reason, by: by, after: `{"asked":true}`})
	})
	if err != nil {
		return dialer.SuperuserRequest{}, fmt.Errorf("ask for a superuser: %w", err)
	}
	return r, nil
}

// WithdrawSuperuser ends a request.
func (d *Directory) WithdrawSuperuser(ctx context.Context, userID, reason string, by dialer.Actor) error {
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		if err := tx.Lock(ctx, "directory", d.org); err != nil {
			return err
		}
		if _, err := d.superuserRequest(ctx, tx, userID); err != nil {
			return err
		}
		if err := d.dropRequest(ctx, tx, userID); err != nil {
			return err
		}
		return d.record(ctx, tx, record{
			user: userID, verb: dialer.VerbAskSuperuser, note: tidy(reason), by: by, before: `{"asked":true}`, after: `{"asked":false}`,
		})
	})
	if err != nil {
		return fmt.Errorf("withdraw a request for a superuser: %w", err)
	}
	return nil
}

// ConfirmSuperuser makes a user a superuser whom another administrator asked
// for. A request is good once, whatever comes of it.
func (d *Directory) ConfirmSuperuser(ctx context.Context, userID string, by dialer.Actor) (dialer.Result, error) {
	var r dialer.SuperuserRequest
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		if err := tx.Lock(ctx, "directory", d.org); err != nil {
			return err
		}
		u, err := d.byID(ctx, tx, userID)
		if err != nil {
			return err
		}
		if r, err = d.superuserRequest(ctx, tx, userID); err != nil {
			return err
		}
		for _, name := range [...]string{r.By.Name, u.ID, u.Username, u.Email} {
			if dialer.Key(by.Name) == dialer.Key(name) {
				return dialer.ErrSamePerson
			}
		}
		return d.dropRequest(ctx, tx, userID)
	})
	if err != nil {
		return dialer.Result{}, fmt.Errorf("confirm a superuser: %w", err)
	}
	res := d.Apply(ctx, []dialer.Change{{
		Verb: dialer.VerbUpdate, UserID: userID, User: dialer.User{Superuser: true}, Fields: []dialer.Field{dialer.FieldSuperuser},
		Note: join("asked for by "+r.By.Name, r.Reason), Agreed: true, Actor: by,
	}})[0]
	return res, res.Err
}
