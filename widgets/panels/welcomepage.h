// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// WelcomePage: what a person sees with no model open.
#pragma once

#include <QWidget>

#include <memory>

class QMimeData;

namespace ql {

class WelcomePage : public QWidget
{
    Q_OBJECT
public:
    enum class Task { SeeALayer, CompareInt4WithNf4, MakeAPolicy };
    explicit WelcomePage(QWidget* parent = nullptr);
    ~WelcomePage() override;
    static QString droppedPath(const QMimeData* data); ///< the first local file or folder; empty: none
    void setRecentModels(const QStringList& paths); ///< missing ones are greyed

Q_SIGNALS:
    void openFileRequested();
    void openFolderRequested();
    void openPathRequested(const QString& path); ///< recent entry or drop
    void openBundledRequested(bool withOutliers);
    void taskRequested(ql::WelcomePage::Task task);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;
    void dragEnterEvent(QDragEnterEvent* event) override;
    void dragLeaveEvent(QDragLeaveEvent* event) override;
    void dropEvent(QDropEvent* event) override;
    void paintEvent(QPaintEvent* event) override;

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
