// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/jobbar.h"

#include "core/base/format.h"
#include "widgets/models/jobrate.h"
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

QString fromStd(const std::string& text)
{
    return QString::fromStdString(text);
}

QString percent(double share)
{
    return QString::number(int(std::floor(share * 100))) + QStringLiteral(" %");
}

QString figuresOf(const JobRate& rate, quint64 done, quint64 total)
{
    QStringList parts;
    if (rate.share())
        parts << percent(*rate.share());
    parts << (total > 0 ? JobBar::tr("%1 of %2").arg(fromStd(formatBytes(done)), fromStd(formatBytes(total)))
                        : fromStd(formatBytes(done)));
    if (rate.bytesPerSecond())
        parts << fromStd(formatBytes(uint64_t(*rate.bytesPerSecond()))) + QStringLiteral("/s");
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
    quint64 done = 0, total = 0;
    bool known = true;
    for (const auto& [id, job] : jobs) {
        done += job.done;
        total += job.total;
        known = known && job.total > 0;
    }
    const QString count = tr("%1 jobs").arg(jobs.size());
    const QString share = known && total > 0 ? QStringLiteral(" · ") + percent(std::min(1.0, double(done) / double(total)))
                                             : QString();
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

void JobBar::setJob(quint64 id, const QString& label, quint64 doneBytes, quint64 totalBytes)
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
    job.done = doneBytes;
    job.total = totalBytes;
    job.rate.report(job.clock.elapsed(), doneBytes, totalBytes);
    job.row->setLabel(label);
    job.row->setProgress(job.rate.share());
    job.row->setFigures(figuresOf(job.rate, doneBytes, totalBytes));
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
