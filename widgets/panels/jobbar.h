// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// JobBar: running jobs in the status bar - label, progress, bytes, rate, time left, cancel. Several jobs share one line
// that opens into a list.
#pragma once

#include <QWidget>

#include <memory>

namespace ql {

class JobBar : public QWidget
{
    Q_OBJECT
public:
    explicit JobBar(QWidget* parent = nullptr);
    ~JobBar() override;
    /// Adds job `id` or moves it on. `totalBytes` 0 means not known.
    void setJob(quint64 id, const QString& label, quint64 doneBytes, quint64 totalBytes);
    void removeJob(quint64 id);

Q_SIGNALS:
    void cancelRequested(quint64 id);

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
