// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/jobbar.h"

#include "core/base/format.h"
#include "widgets/models/coretext.h"
#include "widgets/panels/jobrow.h"
#include "widgets/theme.h"

#include <QElapsedTimer>
#include <QFrame>
#include <QLabel>
#include <QStackedLayout>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>
#include <map>

namespace ql {
namespace {

QString percent(double share)
{
    return QString::number(int(std::floor(share * 100))) + QStringLiteral(" %");
}

QString amount(quint64 count, JobUnit unit)
{
    return fromStd(unit == JobUnit::Bytes ? formatBytes(count) : formatCount(count));
}

QString figuresOf(const JobRate& rate, quint64 done, quint64 total, JobUnit unit)
{
    const bool tokens = unit == JobUnit::Tokens;
    QStringList parts;
    if (rate.share())
        parts << percent(*rate.share());
    const QString count = total > 0 ? JobBar::tr("%1 of %2").arg(amount(done, unit), amount(total, unit)) : amount(done, unit);
    if (total > 0 || done > 0) // not every job counts, and none before it has read something
        parts << (tokens ? JobBar::tr("%1 tokens").arg(count) : count);
    if (rate.perSecond()) {
        const QString each = amount(quint64(*rate.perSecond()), unit);
        parts << (tokens ? JobBar::tr("%1 tokens/s").arg(each) : each + QStringLiteral("/s"));
    }
    if (rate.secondsLeft())
        parts << JobBar::tr("%1 left").arg(fromStd(formatDuration(std::ceil(*rate.secondsLeft()))));
    return parts.join(QStringLiteral(" · "));
}

} // namespace

struct JobBar::Private {
    struct Job {
        JobRow* row = nullptr;
        JobRate rate;
        QElapsedTimer clock;
        quint64 done = 0, total = 0;
    };
    JobBar* q;
    std::map<quint64, Job> jobs;
    QVBoxLayout* line;    ///< holds the row of a single job
    QToolButton* summary; ///< shown instead for several
    QFrame* popup;        ///< holds the rows of several jobs
    QVBoxLayout* popupRows;

    void arrange();
    void showSummary();
    void openPopup();
};

/// One job stands in the bar itself; several move into the popup behind one line.
void JobBar::Private::arrange()
{
    const bool several = jobs.size() > 1;
    for (auto& [id, job] : jobs) {
        QVBoxLayout* home = several ? popupRows : line;
        if (home->indexOf(job.row) < 0)
            home->addWidget(job.row);
        job.row->show();
    }
    summary->setVisible(several);
    if (!several)
        popup->hide();
    q->setVisible(!jobs.empty());
    showSummary();
}

void JobBar::Private::showSummary()
{
    double shares = 0; // a mean: bytes and tokens do not add up
    bool known = !jobs.empty();
    for (const auto& [id, job] : jobs) {
        known = known && job.total > 0;
        shares += known ? std::min(1.0, double(job.done) / double(job.total)) : 0;
    }
    const QString count = tr("%1 jobs").arg(jobs.size());
    const QString share = known ? QStringLiteral(" · ") + percent(shares / double(jobs.size())) : QString();
    summary->setText(count + share + QStringLiteral(" ▴"));
    summary->setToolTip(tr("Show the running jobs"));
}

void JobBar::Private::openPopup()
{
    popup->adjustSize();
    const QPoint corner = summary->mapToGlobal(QPoint(summary->width(), 0));
    popup->move(corner - QPoint(popup->width(), popup->height() + theme::kSpacing / 2));
    popup->show();
    popup->setFocus(Qt::PopupFocusReason);
}

JobBar::JobBar(QWidget* parent) : QWidget(parent), d(std::make_unique<Private>())
{
    d->q = this;
    d->line = new QVBoxLayout(this);
    d->line->setContentsMargins(0, 0, 0, 0);
    d->summary = new QToolButton(this);
    d->summary->setFocusPolicy(Qt::StrongFocus);
    d->line->addWidget(d->summary);
    d->popup = new QFrame(this, Qt::Popup);
    d->popup->setFrameShape(QFrame::StyledPanel);
    d->popup->setAccessibleName(tr("Running jobs"));
    d->popupRows = new QVBoxLayout(d->popup);
    d->popupRows->setContentsMargins(theme::kSpacing, theme::kSpacing, theme::kSpacing, theme::kSpacing);
    connect(d->summary, &QToolButton::clicked, this, [this] { d->openPopup(); });
    d->arrange();
}

JobBar::~JobBar() = default;

void JobBar::setJob(quint64 id, const QString& label, quint64 done, quint64 total, JobUnit unit)
{
    const auto [found, fresh] = d->jobs.try_emplace(id);
    Private::Job& job = found->second;
    if (fresh) {
        job.row = new JobRow(this);
        job.clock.start();
        connect(job.row, &JobRow::cancelRequested, this, [this, id, row = job.row] {
            row->setCancelled();
            Q_EMIT cancelRequested(id);
        });
    }
    job.done = done;
    job.total = total;
    job.rate.report(job.clock.elapsed(), done, total);
    job.row->setLabel(label);
    job.row->setProgress(job.rate.share());
    job.row->setFigures(figuresOf(job.rate, done, total, unit));
    if (fresh)
        d->arrange();
    else
        d->showSummary();
}

void JobBar::removeJob(quint64 id)
{
    const auto found = d->jobs.find(id);
    if (found == d->jobs.end())
        return;
    found->second.row->hide();
    found->second.row->deleteLater(); // the row's own button may be what led here
    d->jobs.erase(found);
    d->arrange();
    if (d->popup->isVisible())
        d->popup->adjustSize();
}

} // namespace ql
