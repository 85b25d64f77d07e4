// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// JobBar: running jobs in the status bar - label, progress, bytes or tokens, rate, time left, cancel. Several jobs share one line
// that opens into a list.
#pragma once

#include "widgets/models/jobrate.h"

#include <QWidget>

#include <memory>

namespace ql {

class JobBar : public QWidget
{
    Q_OBJECT
public:
    explicit JobBar(QWidget* parent = nullptr);
    ~JobBar() override;
    /// Adds job `id` or moves it on. `total` 0 means not known.
    void setJob(quint64 id, const QString& label, quint64 done, quint64 total, ql::JobUnit unit = JobUnit::Bytes);
    void removeJob(quint64 id);

Q_SIGNALS:
    void cancelRequested(quint64 id);

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
