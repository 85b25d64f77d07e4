// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The small parts around the pages: inline error bar, job bar, device chip.
#pragma once

#include <QFrame>
#include <QList>
#include <QToolButton>
#include <QWidget>

#include <memory>

namespace ql {

/// One line saying what, where and what next, with "copy details" and close; hidden when there is nothing to say.
class InlineBar : public QFrame
{
    Q_OBJECT
public:
    enum class Level { Info, Warning, Error };
    explicit InlineBar(QWidget* parent = nullptr);
    ~InlineBar() override;
    void showMessage(Level level, const QString& text, const QString& details = {}, const QString& actionText = {});
    QString text() const;

Q_SIGNALS:
    void actionTriggered();

private:
    struct Private;
    std::unique_ptr<Private> d;
};

/// Running jobs in the status bar: label, per cent, rate, time left, cancel.
class JobBar : public QWidget
{
    Q_OBJECT
public:
    explicit JobBar(QWidget* parent = nullptr);
    ~JobBar() override;
    void setJob(quint64 id, const QString& label, quint64 doneBytes, quint64 totalBytes);
    void removeJob(quint64 id);

Q_SIGNALS:
    void cancelRequested(quint64 id);

private:
    struct Private;
    std::unique_ptr<Private> d;
};

/// Which device does the work; click to change.
class DeviceChip : public QToolButton
{
    Q_OBJECT
public:
    struct Entry {
        QString id, name, detail; ///< detail: self-test result, speed, or why it is not used
        bool usable = true;
        bool gpu = false;
    };
    explicit DeviceChip(QWidget* parent = nullptr);
    ~DeviceChip() override;
    /// `note` is not empty when the program fell back, and says why.
    void setDevices(const QList<Entry>& entries, const QString& currentId, const QString& note);

Q_SIGNALS:
    void deviceChosen(const QString& id);

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
